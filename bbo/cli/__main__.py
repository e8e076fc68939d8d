"""`python -m bbo.cli` is `bbo`."""

from bbo.cli import main

if __name__ == "__main__":
    main()
