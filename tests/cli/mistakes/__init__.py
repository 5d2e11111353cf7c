"""Typical mistakes of a new user: each is named, and so is the remedy."""
