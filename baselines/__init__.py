"""The methods that ship with the benchmark, one file each; installed as `bbo.baselines`."""
