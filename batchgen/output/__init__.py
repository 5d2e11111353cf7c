"""The files that a run writes: the ZIP of images and the result tables."""

ARCHIVE = "images.zip"
TABLE = "results.parquet"
PURCHASES = "attempts.parquet"
