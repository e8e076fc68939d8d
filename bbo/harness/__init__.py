"""Runs cells: plans, seeds, worker processes, records."""
