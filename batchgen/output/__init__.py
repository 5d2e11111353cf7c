"""What a run leaves behind: the ZIP of images and the result table."""
