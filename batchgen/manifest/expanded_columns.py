"""Columns that say which row of the table a row was made of by `[expand]`."""

SOURCE_ROW = "source_row"
SOURCE_ID = "source_id"
