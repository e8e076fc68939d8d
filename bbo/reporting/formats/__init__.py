"""Formats: documents printed as Markdown, LaTeX, terminal tables, figures and pages."""
