"""Plain English: phrases that a native reader stumbles over stay out of what users read."""

import ast
import re
from pathlib import Path

import click
import pytest

from bbo.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "results").rglob("README.md"), *ROOT.glob("results/*.md")],
)
MODULES = sorted(path for room in ("bbo", "tasks", "baselines", "tools", "benchmarks") for path in (ROOT / room).rglob("*.py"))

#: A phrase to avoid, as a pattern, and the plain words for it.
PHRASES = {
    r"hangs? on": "depends on",
    r"\bdear(er|ly)?\b": "expensive",
    r"\b(mend|mends|mended|mending)\b": "fix",
    r"\banew\b": "again",
    r"not to be had": "not available",
    r"\bto be had\b": "available",
    r"\bso many\b(?! that)": "this many",
    r"what no method at all": "what you get with no method",
    r"what came of": "the result of",
    r"optimis": "optimiz",
    r"cannot be told apart": "are not significantly different",
    r"taken? back\b": "revert",
    r"(read|reads) off\b": "read from",
    r"\b(is|are) no (module|class|literal|method|object|folder|failure|results?)\b": "is not a",
    r"\bslip of the pen\b": "typing error",
    r"\bhave no say\b": "are ignored",
    r"\bgives? way\b": "is replaced",
    r"\bturned round\b": "negated",
    r"\bput right\b": "corrected",
    r"\bput back\b": "reset",
    r"\bat hand\b": "available",
    r"\bsays on what\b": "states with which",
    r"\bas (pytorch\.org|it) tells\b": "following",
    r"\b(stalls|heeds?|heeded)\b": "blocks, follows",
    r"\bhow (a|the|its|their) (set of )?designs lie\b": "how the designs are spread",
    r"\bwhoever dies\b": "if it dies",
    r"\bbaseline\s+x\b|\bevery (listed )?baseline\b": "method",
}


def first_lines(path: Path) -> list[str]:
    """First lines of the docstrings of a module, its classes and functions."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docs = [ast.get_docstring(node) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)]
    return [doc.partition("\n")[0] for doc in docs if doc]


def what_users_read(path: Path) -> list[str]:
    """Messages that a module raises, descriptions of settings, and docstrings of classes."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Raise) and node.exc:
            found.append(literals(node.exc))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "setting":
            found.append(literals(node))
        elif isinstance(node, ast.ClassDef):
            found.append(ast.get_docstring(node) or "")
    return found


def literals(node: ast.expr) -> str:
    """All texts that stand in an expression, such as the parts of an f-string."""
    return " ".join(part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))


def help_texts(name: str, command: click.Command) -> list[str]:
    """The help text of a command and, with all their options, of its subcommands."""
    texts = [command.get_help(click.Context(command, info_name=name))]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found
            texts += help_texts(child, found)
    return texts


def stumbles(text: str) -> list[str]:
    """The phrases to avoid in a text, whatever its line breaks, each with the plain words."""
    flat = re.sub(r"\s+", " ", text)
    return [
        f"'{found.group()}' in '..{flat[max(0, found.start() - 40) : found.end() + 40]}..': say '{plain}'"
        for pattern, plain in PHRASES.items()
        for found in re.finditer(pattern, flat, re.IGNORECASE)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages(page) -> None:
    assert stumbles(page.read_text()) == []


def test_help_texts() -> None:
    texts = help_texts("bbo", main)
    assert len(texts) > len(COMMANDS)
    assert [found for text in texts for found in stumbles(text)] == []


def test_first_lines_of_docstrings() -> None:
    lines = [(path, line) for path in MODULES for line in first_lines(path)]
    assert len(lines) > 500
    assert [f"{path.relative_to(ROOT)}: {found}" for path, line in lines for found in stumbles(line)] == []


def test_messages_settings_and_docstrings_of_classes() -> None:
    texts = [(path, text) for path in MODULES for text in what_users_read(path)]
    assert len(texts) > 1000
    assert [f"{path.relative_to(ROOT)}: {found}" for path, text in texts for found in stumbles(text)] == []


@pytest.mark.parametrize(
    "text", ["The score hangs\non the seed.", "An optimiser.", "what no method at all reaches", "It is made anew."]
)
def test_phrases_are_found(text) -> None:
    assert stumbles(text)


def test_no_file_holds_the_marks_of_a_merge() -> None:
    names = ["Makefile", "pyproject.toml", ".ci/run", "constraints.txt", "constraints-lowest.txt"]
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in [*(ROOT / name for name in names), *PAGES, *MODULES]}
    assert [name for name, text in texts.items() if re.search(r"^(<<<<<<< |>>>>>>> )", text, re.MULTILINE)] == []
