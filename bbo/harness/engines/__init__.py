"""Where cells run: on this machine, on Dask workers, in a Slurm array. One signature for all."""
