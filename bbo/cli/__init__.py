"""The `bbo` command. Every subcommand is a module of this package with a click command named `command`, loaded when called."""

from __future__ import annotations

import importlib
import os

import click

from bbo import __version__, numerics, text
from bbo.errors import BBOError, unknown

#: Longest error message.
LONGEST = 2000
#: Subcommand: (module, one line of help). The help is kept here so that `bbo --help` imports nothing.
COMMANDS = {
    "list": ("listing", "List tasks, methods or suites, and what is missing to use them."),
    "show": ("show", "Show all facts of a task or a method, or the best designs of a cell."),
    "run": ("run", "Run every cell (task x method x seed) that OUT does not hold yet."),
    "status": ("status", "List which planned cells of DIR are done, failed or missing."),
    "rerun": (
        "rerun",
        "Run some finished cells again, with the settings, seed, budget and numerics of each, and compare bit for bit.",
    ),
    "rescore": ("rescore", "Score the stored designs of DIR again and compare the scores with the stored ones."),
    "prune": ("prune", "Remove the cells of older versions from DIR."),
    "report": ("report", "The leaderboard of results folders, of tables made by bbo collect, or of the shipped 'reference'."),
    "compare": ("compare", "Show what changed from A to B, by how much, and whether it is more than noise."),
    "collect": ("collect", "Write all cells into one table, one row per cell."),
    "propose": ("propose", "Propose the next experiments, given a table of those that were done."),
    "backtest": ("backtest", "Find out which methods suit a table of experiments, on that table alone."),
    "score": ("score", "Score the designs of FILE with the true function of TASK."),
    "data": ("data", "Data files: list, verify, fetch from a mirror, build, or import what you have."),
    "diagnose": ("diagnose", "Train surrogates on a task and test them on designs they have not seen."),
    "doctor": ("doctor", "Compare this machine's numerics with the reference, and list what is missing here."),
    "new": ("new", "Write a working method or task to start from, with its tests."),
    "check": ("check", "Check that a task or a method meets the interface's requirements."),
}


class LazyGroup(click.Group):
    """Loads a subcommand's module only when it is needed, and shows our errors as one line with exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the subcommands, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one subcommand.

        Raises:
            UnknownName: there is no such subcommand.
        """
        if name not in COMMANDS:
            raise unknown("command", name, COMMANDS, "see: bbo --help")
        numerics.choose()  # before a subcommand imports NumPy or torch: oracles run in this process
        return importlib.import_module(f"bbo.cli.{COMMANDS[name][0]}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; our own errors and click's end in one line and exit code 2."""
        if os.environ.get("NO_COLOR"):
            ctx.color = False  # bold type, too
        try:
            return super().invoke(ctx)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            raise SystemExit(_told(_usage(error))) from None
        except BBOError as error:
            raise SystemExit(_told(str(error))) from None
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            raise SystemExit(130) from None


def _usage(error: click.UsageError) -> str:
    """Click's message about a wrong command line, in the form of our own errors."""
    said = error.format_message().rstrip(".")
    return f"{said[:1].lower()}{said[1:]} (see: {error.ctx.command_path if error.ctx else 'bbo'} --help)"


def _told(message: str) -> int:
    """Print an error on one line; its exit code."""
    click.echo(f"error: {text.line(message, LONGEST)}", err=True)
    return 2


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="bbo")
def main() -> None:
    """Offline black-box optimization: run methods on tasks, compare leaderboards."""
