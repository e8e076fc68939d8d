"""`bbo new`: a working method or task to start from, with its tests."""

from __future__ import annotations

import ast
import keyword
import re
import sys
from importlib.metadata import packages_distributions
from importlib.resources import files as resources
from pathlib import Path

import click

from bbo import files
from bbo.errors import BBOError

#: Kinds of tasks, and what each starts from.
KINDS = {
    "table": "a file with a score for every combination of named choices",
    "function": "a function of numbers in a box",
    "data": "a file of measured designs, with a model fitted to them as the oracle",
}
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

TO = click.option(
    "--to", type=click.Path(path_type=Path, file_okay=False), default=Path(), help="Folder for the files.  [default: this one]"
)


@click.group("new")
def command() -> None:
    """Write a working method or task to start from, with its tests."""


@command.command("method")
@click.argument("name")
@TO
def method(name: str, to: Path) -> None:
    """Write NAME.py, a method that runs as it is, and its tests.

    NAME is lower case with dashes, like my-method.
    """
    path, cls = _write(name, to, "method", "example-method")
    reference = f"{_shown(path)}:{cls}"
    click.echo(f"check it:  bbo check {reference}")
    click.echo(f"run it:    bbo run -t tfbind8 -b random -b {reference} --seeds 0-2 --out runs/{name}")


@command.command("task")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="function",
    show_default=True,
    help="; ".join(f"{kind}: {words}" for kind, words in KINDS.items()) + ".",
)
@TO
def task(name: str, kind: str, to: Path) -> None:
    """Write NAME.py, a task that runs as it is, with its tests and data.

    NAME is lower case with dashes, like my-task.
    """
    path, cls = _write(name, to, kind, "example-task")
    reference = f"{_shown(path)}:{cls}"
    click.echo(f"check it:  bbo check {reference}")
    click.echo(f"run it:    bbo run -t {reference} -b random -b offline-best -b gradient-ascent --seeds 0-2 --out runs/{name}")


def _write(name: str, to: Path, kind: str, example: str) -> tuple[Path, str]:
    """Write the files of a template under a name; the path of its module, and the name of its class."""
    if not NAME.fullmatch(name):
        raise BBOError(f"a name is lower-case words with dashes, like my-{example.partition('-')[2]}; got '{name}'")
    named = {example: name, _module(example): _module(name), _class(example): _class(name)}
    template = resources("bbo") / "templates"
    _refuse_taken(name, (template / kind / f"{_module(example)}.py").read_text(encoding="utf-8"))
    sources = [*(template / kind).iterdir(), *(file for file in template.iterdir() if file.name.endswith(f"{_module(example)}.py"))]
    texts = {}
    for source in sorted((one for one in sources if one.is_file()), key=lambda one: one.name):
        file, text = source.name, source.read_text(encoding="utf-8")
        for old, new in named.items():
            file, text = file.replace(old, new), text.replace(old, new)
        texts[to / file] = text
    if there := [str(path) for path in texts if path.exists()]:
        raise BBOError(f"{', '.join(there)} is there already; choose another name, or another folder with --to")
    for path, text in texts.items():
        files.write(path, text)
        click.echo(f"wrote {path}")
    return to / f"{named[_module(example)]}.py", named[_class(example)]


def _refuse_taken(name: str, text: str) -> None:
    """Refuse a name whose module or class would hide another, or is no name in Python; `text` is that of the template's module."""
    module, cls = _module(name), _class(name)
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    why = ""
    if keyword.iskeyword(module) or keyword.iskeyword(cls):
        why = f"{module if keyword.iskeyword(module) else cls} is a word of Python's own language"
    elif module in sys.stdlib_module_names:
        why = f"{module}.py would hide Python's own module of this name"
    elif module == "bbo" or module in packages_distributions():
        why = f"{module}.py would hide the installed package of this name"
    elif cls in {alias.asname or alias.name for node in imports for alias in node.names}:
        why = f"the class {cls} would hide what its file imports under this name"
    if why:
        raise BBOError(f"{why}; choose another name than '{name}'")


def _module(name: str) -> str:
    return name.replace("-", "_")


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _shown(path: Path) -> str:
    """A path that the command line takes for a file: `./mine.py`."""
    return str(path) if path.is_absolute() else f"./{path}"
