"""The method's own process: the host's end of it, its own end, the messages between, and what is hidden from it."""
