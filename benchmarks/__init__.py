"""Side-by-side speed ratios. Run on a quiet machine, from the checkout: `python -m benchmarks.root`."""
