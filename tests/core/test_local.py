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


LOOKUPS = {
    "globals": "globals()['hel' + 'per'](1)",
    "evaluation": "eval('hel' + 'per')(1)",
    "the module": "__import__(__name__)",
    "the loaded modules": "__import__('sys').modules[__name__]",
    "its own text": "open(__file__).read()",
    "a docstring": "float(Second.__doc__)",
    "the frame": "math.sin.__self__._getframe().f_globals",
    "subclasses": "object.__subclasses__()",
}


@pytest.mark.parametrize("name", LOOKUPS)
def test_where_names_are_looked_up_the_whole_file_counts(tmp_path, name):
    """A function reached only through `globals()` was no part of the version, nor a number in a comment of the file itself."""
    text = FILE.replace("helper(math.pi)", LOOKUPS[name])
    assert version(tmp_path, text.replace("2 * x", "3 * x")) != version(tmp_path, text)
    assert version(tmp_path, text + "# 5") != version(tmp_path, text)


@pytest.mark.parametrize(
    "extra", ["import re, torch\nre.compile('a')\n", "class Net:\n    def f(self): self.eval(); self.modules()\n"]
)
def test_ordinary_methods_of_these_names_are_no_lookups(tmp_path, extra):
    text = FILE + extra
    assert version(tmp_path, text + "# a comment") == version(tmp_path, text)


REGISTERED = {
    "a decorator": ("def register(f):\n    Mine.parts = f\n", "@register\ndef part():\n    return 1\n"),
    "a decorator with arguments": ("def register(n):\n    return Mine.put\n", "@register(3)\ndef part():\n    return 1\n"),
    "a call": ("PARTS = []\n", "done = PARTS.append(1)\n"),
    "a call in a class": ("PARTS = []\n", "class Third:\n    done = PARTS.append(1)\n"),
    "a default": ("PARTS = []\n", "def third(done=PARTS.append(1)): ...\n"),
    "a subclass": ("class Base:\n    def __init_subclass__(cls):\n        Mine.part = cls\n", "class Third(Base):\n    x = 1\n"),
    "a metaclass": ("", "class Third(metaclass=Second):\n    x = 1\n"),
    "the future": ("", "from __future__ import annotations\nx = 1\n"),
}


@pytest.mark.parametrize("name", REGISTERED)
def test_what_registers_itself_counts(tmp_path, name):
    """Parts of a file that reach the class without being named in it."""
    head, part = REGISTERED[name]
    text = "from __future__ import annotations\n" + FILE if name == "the future" else FILE + head + part
    changed = FILE if name == "the future" else text.replace("1", "2")
    assert version(tmp_path, changed) != version(tmp_path, text)


@pytest.mark.parametrize("line", ["import beside", "from beside import x", "from . import beside", "from .beside import x"])
def test_a_module_beside_the_file_is_refused(tmp_path, line):
    """It would count for no version, and a confined process could not read it."""
    (tmp_path / "beside.py").write_text("x = 1")
    with pytest.raises(BBOError, match=r"mine\.py imports beside, a module beside it.*put its code into mine\.py"):
        version(tmp_path, FILE + line)


def test_a_module_beside_the_file_that_is_on_the_search_path_is_refused_too(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(BBOError, match="imports beside"):
        version(tmp_path, FILE.replace("return helper", "import beside; return helper"))


def test_files_named_like_installed_modules_are_not_meant(tmp_path):
    for name in ("numpy", "math", "bbo"):
        (tmp_path / f"{name}.py").write_text("")
    text = FILE + "import numpy, bbo.method\n"
    assert version(tmp_path, text) == version(tmp_path, text)


def test_a_file_without_a_class_name_lists_its_classes(tmp_path):
    (tmp_path / "mine.py").write_text(FILE)
    with pytest.raises(BBOError, match=r"name a class of .*:Mine or .*:Second"):
        local.load(f"{tmp_path}/mine.py")


def test_something_that_is_no_class_is_refused(tmp_path):
    (tmp_path / "mine.py").write_text("class A:\n    pass\n\na = A()\n")
    with pytest.raises(BBOError, match="is not a class"):
        local.load(f"{tmp_path}/mine.py:a")
