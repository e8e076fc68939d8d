"""`bbo doctor`."""

from __future__ import annotations

import importlib
import json
import shutil
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from typing import Any

import click

from bbo import catalogue, numerics
from bbo.cli import console
from bbo.errors import BBOError
from bbo.harness import provenance
from bbo.harness.sandbox import confinement, mounts


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One object instead of text.")
def command(as_json: bool) -> None:
    """Compare this machine's numerics with the reference, and list what is missing here.

    With equal numerics, a cell of the reference results has the same bits here. Exit code 0, whatever is found.
    """
    found = {
        "machine": provenance.host(),
        "numerics": _numerics(),
        "sandbox": _sandbox(),
        "gpu": _gpu(),
        "engines": _engines(),
        "extras": _extras(),
        "tasks": _tasks(),
        "methods": _methods(),
    }
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    for line in _lines(found):
        console.say(line)


def _numerics() -> dict[str, Any]:
    reference, here, why_not = numerics.reference(), numerics.operations(every=True), numerics.missing(threads=False)
    packages = numerics.versions()
    return {
        "mode": "native" if why_not else "portable",
        "why_not_portable": why_not,
        "fingerprint": numerics.fingerprint(),
        "reference_cpu": reference["cpu"],
        "different_operations": sorted(name for name, digest in here.items() if reference["operations"].get(name) != digest),
        "different_packages": {
            name: [reference["packages"][name], packages[name]]
            for name in packages
            if packages[name] != reference["packages"][name]
        },
    }


def _sandbox() -> str:
    """By which means methods are confined here, as records say it; "none" where they are not."""
    name = confinement.name()
    return f"{name}+mounts" if name != confinement.NONE and mounts.allowed() else name


def _gpu() -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        return {"available": False, "why_not": "no CUDA device is visible" if built else "this torch is a CPU build"}
    return {"available": True, "name": torch.cuda.get_device_name(), "cuda": torch.version.cuda}


def _engines() -> dict[str, str]:
    """Why an engine cannot be used here, by name; empty if it can."""
    found = {"local": ""}
    for name, module in (("dask", "distributed"), ("slurm", "submitit")):
        try:
            importlib.import_module(module)
            found[name] = "" if name != "slurm" or shutil.which("sbatch") else "no sbatch on the PATH"
        except ImportError:
            found[name] = f"pip install 'offline-bbo[{name}]'"
    return found


def _extras() -> dict[str, list[str]]:
    """Packages that an extra asks for and that are not installed here, by extra."""
    from packaging.requirements import Requirement  # comes with matplotlib

    wanted: dict[str, list[str]] = {extra: [] for extra in metadata("offline-bbo").get_all("Provides-Extra") or ()}
    for requirement in map(Requirement, requires("offline-bbo") or ()):
        for extra, missing in wanted.items():
            if (
                requirement.marker
                and not requirement.marker.evaluate({"extra": ""})
                and requirement.marker.evaluate({"extra": extra})
            ):
                try:
                    if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                        missing.append(f"{requirement.name}{requirement.specifier}")
                except PackageNotFoundError:
                    missing.append(f"{requirement.name}{requirement.specifier}")
    return wanted


def _tasks() -> dict[str, str]:
    """Why a task cannot be used here, by id; empty if it can."""
    return {name: _why_not(name) for name in catalogue.task_ids()}


def _why_not(name: str) -> str:
    try:
        return catalogue.load_task(name).unavailable()
    except BBOError as error:
        return str(error)


def _methods() -> dict[str, str]:
    return {name: catalogue.method_card(name).unavailable for name in catalogue.method_ids()}


def _lines(found: dict[str, Any]) -> list[str]:
    machine, bits, gpu = found["machine"], found["numerics"], found["gpu"]
    lines = [f"machine: {machine['cpu']}, {machine['cores']} cores, {machine['os']}, Python {machine['python']}", *_verdict(bits)]
    free = found["sandbox"] == confinement.NONE
    lines.append(f"sandbox: {'none: methods run unconfined, and tables say so' if free else found['sandbox']}")
    lines.append(f"GPU: {gpu['name']}, CUDA {gpu['cuda']}" if gpu["available"] else f"GPU: none; {gpu['why_not']}")
    for what in ("engines", "extras", "tasks", "methods"):
        missing = {name: why for name, why in found[what].items() if why}
        lines.append(f"{what}: {len(found[what]) - len(missing)} of {len(found[what])} can be used here")
        for name, why in missing.items():
            lines.append(f"  {name}: {why if isinstance(why, str) else 'not installed: ' + ', '.join(why)}")
    return lines


def _verdict(bits: dict[str, Any]) -> list[str]:
    """What the comparison with the reference means, in words."""
    lines = [f"numerics: {bits['mode']}, fingerprint {bits['fingerprint']}"]
    if bits["why_not_portable"]:
        lines.append(f"  {bits['why_not_portable']}")
    if not bits["different_operations"]:
        lines.append(f"  the same bits as the reference results ({bits['reference_cpu']}) in every operation tried")
    else:
        lines.append(
            f"  last bits differ from the reference machine ({bits['reference_cpu']}) in: {', '.join(bits['different_operations'])}"
        )
        if not bits["why_not_portable"]:
            lines.append(
                "  torch's MKL has other kernels for other makers of CPUs; bbo run --numerics compatible uses those that all share"
            )
    for name, (there, here) in bits["different_packages"].items():
        lines.append(f"  {name} {here}; the reference has {there}")
    return lines
