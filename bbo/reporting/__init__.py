"""Turns records into tables, figures and pages. Imports neither tasks nor methods."""
