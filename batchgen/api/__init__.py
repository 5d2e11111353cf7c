"""What Python code may call; the module `batchgen` exports it."""
