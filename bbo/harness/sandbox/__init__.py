"""The method's process: the host's side, the process's side, the messages between them, and what is hidden from methods."""
