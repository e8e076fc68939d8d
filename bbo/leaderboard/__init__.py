"""Turns records into tables, figures and pages. Knows neither tasks nor methods."""
