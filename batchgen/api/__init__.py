"""What Python code may call; `batchgen` itself exports it, each name when it is used."""
