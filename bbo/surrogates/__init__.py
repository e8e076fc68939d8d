"""Models fitted to the visible table."""
