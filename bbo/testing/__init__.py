"""Checks that any task (`bbo.testing.tasks`) or method (`bbo.testing.baselines`), ours or a third party's, must pass."""
