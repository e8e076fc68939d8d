"""Searches: from a value model to designs."""
