"""`python cli.py ...` is `bbo ...`, for a checkout whose command is not on the path."""

from bbo.cli import main

main()
