"""Verify a provider: everything that can go wrong at its sandbox, and what comes of it.

The same checks run as `batchgen providers --verify NAME` and as tests of batchgen.
"""
