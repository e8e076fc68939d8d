"""What `import bbo` offers: methods ready to propose, runs, and results as DataFrames. The names are listed in `bbo.__all__`."""
