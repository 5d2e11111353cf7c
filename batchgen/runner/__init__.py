"""A whole run in one folder: configuration, consent, purchases, recovery, outputs."""
