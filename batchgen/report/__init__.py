"""The report of a run: sums, plots, causes, thumbnails, and the page."""
