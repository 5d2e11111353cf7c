"""The life of one attempt: sent, polled, downloaded, stored, ended."""
