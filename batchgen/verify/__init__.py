"""Verify a provider at its sandbox, with everything that can go wrong there.

The same checks run as `batchgen providers --verify NAME` and as tests of batchgen.
"""
