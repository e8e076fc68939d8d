"""Ratios of speed, each pair measured side by side in one run: `python -m benchmarks.NAME [--json]`."""
