"""Methods beside their authors' order of work, one file per method: `python -m benchmarks.methods [NAME ...]`.

Each has a function `measure()` that returns what `benchmarks._timing.beside` says of the same work on the same data in one run, in the
authors' order (one start at a time, full Jacobians, ...) written by us, and in ours.
"""
