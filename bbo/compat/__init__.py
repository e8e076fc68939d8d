"""For code and names from other packages: Design-Bench's tasks under their own names and with their own calls."""
