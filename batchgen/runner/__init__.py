"""The life of a row, from the plan to the archive."""
