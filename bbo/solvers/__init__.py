"""Searches that use a surrogate or a learned map to make new designs."""
