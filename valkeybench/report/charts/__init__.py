"""What is worth drawing of a run: each module makes one kind of chart, where there is data."""
