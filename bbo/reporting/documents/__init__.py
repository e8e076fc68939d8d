"""Documents: the content of a table, a page or a comparison, before it is printed."""
