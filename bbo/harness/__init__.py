"""Runs cells: plans, seeds, worker processes and records."""
