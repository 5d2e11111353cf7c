"""Read a provider's bill, compare it with the ledger, and settle by it."""
