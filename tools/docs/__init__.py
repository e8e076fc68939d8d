"""Builds the documentation from the written pages and from the declarations of tasks and methods."""
