"""The report as one HTML page: markup, the charts' data, and the page around them."""
