"""The bill of a provider: read, compared with the ledger, and settled."""
