"""The bits of every method's designs stay as committed, until its version or its digest is changed on purpose.

They are computed in a process of their own, in the numerics mode whose bits are the same on the CPUs of all makers.
"""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bbo import catalogue, numerics
from bbo.testing import golden
from bbo.testing.methods import make_problem, smoke

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "golden" / "methods.json"


def check(*words):
    """What `tools/golden_digests.py --check` finds wrong, by method."""
    command = [sys.executable, str(ROOT / "tools" / "golden_digests.py"), "--check", *words]
    environment = numerics.environment("compatible", dict(os.environ))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(900)
def test_same_bits_as_committed():
    found = check()
    composed = {f"gradient-ascent+{regulariser}" for regulariser in ("ignite", "ignite2", "sam", "boss")}
    assert found.keys() == {card.spec.id for card in catalogue.cards() if not card.unavailable} | composed
    wrong = [message for message in found.values() if message]
    others = golden.other_packages(ROOT / "constraints.txt")
    hint = [f"Or it is the packages: {', '.join(others)}; digests hold for the pinned ones."] if others else []
    assert not wrong, "\n".join([*wrong, *hint])


def test_designs_move_so_that_a_digest_says_something():
    entries = golden.read(FILE)
    unmoved = entries.pop("offline-best")
    still = [
        f"{name} on {space}"
        for name, old in entries.items()
        for space in old
        if space != "version" and old[space] == unmoved.get(space)
    ]
    assert not still, (
        f"the best visible designs come back from {still}; let the smoke presets take longer steps, then run the script"
    )


@pytest.mark.numerics
def test_designs_move_with_the_learning_rate_so_that_a_digest_sees_the_training(method_name, runs_of):
    method = catalogue.load_method(method_name)
    if "learning_rate" not in method.settings():
        pytest.skip("no setting learning_rate")
    plain = smoke(method)
    faster = dataclasses.replace(plain, learning_rate=2 * plain.learning_rate)
    made = {name: (run().designs, faster.propose(make_problem(run.space, 8))) for name, run in runs_of(method_name).items()}
    still = [name for name, (before, after) in made.items() if torch.equal(before, torch.as_tensor(after))]
    assert not still, f"the same designs at twice the learning rate on {still}; let the smoke preset train longer or search farther"


def test_the_file_names_no_method_that_is_gone():
    bases = {name.partition("+")[0] for name in golden.read(FILE)}
    assert bases <= set(catalogue.method_ids()), "run: python tools/golden_digests.py"


@pytest.mark.parametrize(
    ("old", "said"),
    [
        (None, "has no digests yet; run: python tools/golden_digests.py random"),
        ({"version": "0.1", "box": "a", "sequence": "b"}, "its digests are of version 0.1; run"),
        (
            {"version": "1.1", "box": "x", "sequence": "b"},
            "returns other designs than before on: box; but its version is still 1.1",
        ),
        ({"version": "1.1", "box": "a"}, "on: sequence; but"),
        ({"version": "1.1", "box": "a", "sequence": "b"}, ""),
    ],
)
def test_what_is_said(old, said):
    method = catalogue.load_method("random")
    found = golden.moved(method, old, {"version": "1.1", "box": "a", "sequence": "b"})
    assert said in found and bool(said) == bool(found)


def test_a_method_that_moves_without_a_version_fails_and_the_script_refuses_to_write_it(tmp_path, monkeypatch):
    import tools.golden_digests as script

    monkeypatch.setattr(script, "FILE", tmp_path / "methods.json")
    script.update(["random"], same_version=False)
    before = golden.read(script.FILE)
    propose = catalogue.load_method("random").cls.propose
    monkeypatch.setattr(catalogue.load_method("random").cls, "propose", lambda self, problem: propose(self, problem).flip(0))
    with pytest.raises(script.BBOError, match="other designs than before on: box, mixed, sequence"):
        script.update(["random"], same_version=False)
    assert golden.read(script.FILE) == before
    script.update(["random"], same_version=True)
    assert golden.read(script.FILE) != before


def test_a_space_that_is_new_to_a_method_needs_no_version(tmp_path, monkeypatch):
    import tools.golden_digests as script

    monkeypatch.setattr(script, "FILE", tmp_path / "methods.json")
    script.update(["random"], same_version=False)
    full = golden.read(script.FILE)
    golden.write(script.FILE, {"random": {key: value for key, value in full["random"].items() if key != "mixed"}})
    script.update(["random"], same_version=False)
    assert golden.read(script.FILE) == full


def test_a_cpu_without_avx2_is_said():
    code = "from bbo import numerics; print(numerics.missing())"
    other = numerics.variables() | {"ATEN_CPU_CAPABILITY": "default"}
    said = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, text=True, check=True).stdout
    assert 'set ATEN_CPU_CAPABILITY="avx2"' in said
