"""The numerics modes, and the fingerprint that tells machines apart."""

import ast
import subprocess
import sys
import types

import numpy as np
import pytest
from click.testing import CliRunner

from bbo import numerics, record
from bbo.cli import main
from bbo.errors import BBOError
from bbo.harness.folder import refuse_other_numerics
from bbo.harness.options import RunOptions
from bbo.record import CellSpec, Outcome, Record


def in_a_process(code, mode="portable", **more):
    """What a new process prints, in a numerics mode."""
    environment = numerics.environment(mode, {"PATH": "/usr/bin:/bin"}) | more
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout


def test_a_fingerprint_is_of_the_kernels_and_not_of_the_threads():
    code = "import torch; torch.set_num_threads({}); from bbo import numerics; print(numerics.fingerprint())"
    one = in_a_process(code.format(1), OMP_NUM_THREADS="1")
    assert one == in_a_process(code.format(2), OMP_NUM_THREADS="2")
    assert one != in_a_process(code.format(1), "native", ATEN_CPU_CAPABILITY="default", MKL_CBWR="COMPATIBLE")


def test_portable_variables_win_and_native_keeps_what_the_user_chose():
    chosen = {"MKL_CBWR": "COMPATIBLE", "HOME": "/h"}
    assert numerics.environment("portable", chosen) == {"HOME": "/h"} | numerics.variables()
    assert numerics.environment("compatible", chosen) == {"HOME": "/h"} | numerics.variables("compatible")
    assert numerics.environment("native", chosen) == chosen
    assert numerics.environment("native", numerics.variables()) == {}


@pytest.mark.parametrize(("before", "mode"), [("", "avx2"), ("sys.modules['torch'] = sys", "None")])
def test_a_host_scores_in_the_portable_mode_unless_torch_is_loaded(before, mode):
    code = f"""import os, sys
from pathlib import Path
from bbo.harness.host import Host
from bbo.harness.options import RunOptions
{before}
Host(Path("x"), RunOptions())
print(os.environ.get("ATEN_CPU_CAPABILITY"))"""
    assert in_a_process(code, "native").strip() == mode


def test_every_operation_is_in_the_reference():
    assert numerics.operations(every=True).keys() == numerics.reference()["operations"].keys()
    assert numerics.operations().keys() < numerics.reference()["operations"].keys()


def run(*words):
    return CliRunner().invoke(main, ["run", "-t", "thin-film", "-b", "random", "--seeds", "0", *words])


def test_a_record_says_its_mode_and_modes_do_not_mix(tmp_path):
    first = run("--out", str(tmp_path))
    assert first.exit_code == 0, first.output
    found = record.read_all(tmp_path)[0].provenance
    assert found["numerics"] == "portable"
    assert found["fingerprint"] == numerics.fingerprint()
    again = run("--out", str(tmp_path), "--numerics", "native")
    assert again.exit_code == 2
    assert "holds 1 of these cells with portable numerics, such as thin-film / random / seed 0" in again.output
    assert run("--out", str(tmp_path)).exit_code == 0


@pytest.mark.parametrize("mode", numerics.FIXED)
def test_a_folder_is_resumed_by_the_same_command_on_a_cpu_without_avx2(tmp_path, monkeypatch, mode):
    """Whose records say that they are native, whatever was asked for."""
    spec = CellSpec("t", "1", "ab", "m", "1", {}, 0, 4, 1)
    stack = {"numerics": "native", "cpu_capability": "DEFAULT"}
    arrays = Outcome(np.zeros((4, 2)), np.zeros(4), np.zeros(4))
    record.write(tmp_path, Record(spec, "done", {"100": 0.0, "80": 0.0, "50": 0.0}, provenance=stack), arrays)
    cell = types.SimpleNamespace(spec=spec)
    with pytest.raises(BBOError, match="holds 1 of these cells with native numerics"):
        refuse_other_numerics([cell], tmp_path, mode)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    refuse_other_numerics([cell], tmp_path, mode)


@pytest.mark.parametrize("mode", numerics.FIXED)
def test_fixed_kernels_are_one_thread(tmp_path, mode):
    said = run("--out", str(tmp_path / "out"), "--numerics", mode, "--threads", "2")
    assert said.exit_code == 2 and f"{mode} numerics use one thread per cell; got 2" in said.output
    assert not (tmp_path / "out").exists()
    with pytest.raises(BBOError, match=f"{mode} numerics use one thread per cell; got 2"):
        RunOptions(threads=2, numerics=mode)


def test_more_threads_take_native_numerics():
    assert RunOptions(threads=2, numerics="native").threads == 2


def test_the_compatible_mode_changes_only_mkl(tmp_path):
    here, there = numerics.variables(), numerics.variables("compatible")
    assert {name for name in here if here[name] != there[name]} == {"MKL_CBWR"}
    code = (
        "import torch; torch.set_num_threads(1); from bbo import numerics; print(numerics.mode(), numerics.operations(every=True))"
    )
    portable, compatible = (in_a_process(code, mode).partition(" ") for mode in numerics.FIXED)
    assert (portable[0], compatible[0]) == numerics.FIXED
    a, b = (ast.literal_eval(said[2].strip()) for said in (portable, compatible))
    # NumPy and SciPy have their own OpenBLAS, and torch its own vector functions; MKL's products are others.
    assert all(a[name] == b[name] for name in a if name.startswith(("numpy", "scipy")) or name in ("torch silu", "torch sum"))
    assert a["torch matmul float64"] != b["torch matmul float64"]


def test_a_compatible_record_says_so(tmp_path):
    assert run("--out", str(tmp_path), "--numerics", "compatible").exit_code == 0
    assert record.read_all(tmp_path)[0].provenance["numerics"] == "compatible"
    again = run("--out", str(tmp_path))
    assert "holds 1 of these cells with compatible numerics" in again.output and "--numerics compatible" in again.output


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_doctor_compares_with_the_reference_and_lists_what_is_missing(words, monkeypatch, tmp_path):
    monkeypatch.setenv("BBO_DATA_DIR", str(tmp_path))
    said = CliRunner().invoke(main, ["doctor", *words])
    assert said.exit_code == 0, said.output
    assert numerics.fingerprint() in said.output
    assert "gfp" in said.output and "bbo data import" in said.output


@pytest.mark.parametrize(("abi", "said"), [(0, "sandbox: none: methods run unconfined"), (7, "sandbox: landlock-7")])
def test_doctor_says_how_methods_are_confined(abi, said, monkeypatch):
    monkeypatch.setattr("bbo.harness.sandbox.landlock.abi", lambda: abi)
    assert any(line.startswith(said) for line in CliRunner().invoke(main, ["doctor"]).output.splitlines())


def test_doctor_names_the_operation_that_differs(monkeypatch):
    from bbo.cli import doctor

    here = numerics.operations(every=True)  # a CPU of another maker differs from the committed reference
    reference = numerics.reference() | {"operations": here | {"torch exp": "00000000"}}
    monkeypatch.setattr(numerics, "reference", lambda: reference)
    said = doctor._verdict(doctor._numerics())
    assert any(line.endswith("in: torch exp") for line in said)
