"""What a report says of a run: sums, plots, causes, thumbnails, and the page."""
