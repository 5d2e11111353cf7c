"""What a run leaves behind: the ZIP of images and the result tables."""

ARCHIVE = "images.zip"
TABLE = "results.parquet"
PURCHASES = "attempts.parquet"
