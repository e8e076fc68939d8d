"""The version of a class in a user's file follows what the class needs, and nothing else."""

import pytest

from bbo import local
from bbo.errors import BBOError

FILE = """
import math

SIZE = 3
OTHER = 4


def helper(x):
    "Doubles."
    return 2 * x * SIZE  # a comment


class Mine:
    "A method."

    def propose(self, problem):
        return helper(math.pi)


class Second:
    size = OTHER
"""


def version(tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    return local.version(f"{tmp_path}/mine.py:Mine")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another"),
        ('"A method."', '"The very same method, said better."'),
        ('"Doubles."', '"Makes twice of it."'),
        ("OTHER = 4", "OTHER = 5"),
        ("class Second", "class Third"),
        ("class Second", "class Inserted:\n    pass\n\n\nclass Second"),
        ("import math", "import math\n\n"),
    ],
)
def test_what_the_class_does_not_need_changes_nothing(tmp_path, old, new):
    assert version(tmp_path, FILE.replace(old, new)) == version(tmp_path, FILE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SIZE = 3", "SIZE = 4"),
        ("2 * x", "3 * x"),
        ("math.pi", "math.e"),
        ("import math", "import cmath as math"),
        ("OTHER = 4", "OTHER = 4\nprint('this may do anything')"),
    ],
)
def test_what_the_class_needs_changes_the_version(tmp_path, old, new):
    assert version(tmp_path, FILE.replace(old, new)) != version(tmp_path, FILE)


def test_a_file_without_a_class_name_lists_its_classes(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    with pytest.raises(BBOError, match=r"name a class of .*:Mine or .*:Second"):
        local.load(f"{tmp_path}/mine.py")


def test_something_that_is_no_class_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("class A:\n    pass\n\na = A()\n")
    with pytest.raises(BBOError, match="is not a class"):
        local.load(f"{tmp_path}/mine.py:a")
