"""The life of one attempt: sent, polled, fetched, stored, ended, followed up."""
