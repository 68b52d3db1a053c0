"""How runs are shown: documents without markup, and the formats that draw them."""
