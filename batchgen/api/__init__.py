"""The public functions and classes; the module `batchgen` exports them."""
