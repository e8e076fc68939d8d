"""Documents: what a table, a page or a comparison says, before it is printed."""
