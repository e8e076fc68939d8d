"""The tasks that ship with the benchmark, one file per family; installed as `bbo.tasks`."""
