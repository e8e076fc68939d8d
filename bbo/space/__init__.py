"""Design spaces: what a design looks like, the checks that every set of designs must pass, and everything that depends on the kind of space.

NumPy only, so that a task can be listed and scored without importing torch. The way to vectors of real numbers, which needs torch,
is imported when a codec is asked for (`bbo.codecs`).
"""

from bbo.space.base import LARGEST_KEY, Space
from bbo.space.columns import Category, Column, Letters, Number
from bbo.space.continuous import Continuous
from bbo.space.mixed import Mixed
from bbo.space.sequence import Sequence

__all__ = ["LARGEST_KEY", "Category", "Column", "Continuous", "Letters", "Mixed", "Number", "Sequence", "Space"]
