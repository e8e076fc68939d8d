"""The drill, second part: bytes changed at random in messages, plan files and cell folders. Never a traceback, never a wrong number."""

import json
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bbo import record
from bbo.errors import BBOError, DamagedCell
from bbo.harness import plan, request
from bbo.harness.sandbox import wire

ANSWER = wire.Answer(
    None, {"a": [1, "b"]}, {"device": "cpu", "threads": 1}, {"cpu_seconds": 1.0}, ["w"], np.arange(48.0).reshape(16, 3)
)
MESSAGES = [
    wire.encode("cell-123", message)
    for message in (
        ANSWER, wire.Begin(), wire.Propose(), wire.Progress(3, 10), wire.Progress(3, 10, np.zeros((16, 3), np.float32)), wire.Ask("y_max"),
        wire.Fetch("key"), wire.Keep("key", np.arange(9)), wire.Violation("no"), wire.Settled(["dtype"]),
        wire.Answer({"reason": "error", "type": "E", "message": "m", "traceback": "t"}),
    )
]  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def messages(draw):
    """A real message with bytes changed, cut or doubled; one with another value in its place; or any bytes."""
    data = bytearray(draw(st.sampled_from(MESSAGES)))
    kind = draw(st.sampled_from(["bytes", "cut", "doubled", "value", "any"]))
    if kind == "bytes":
        for _ in range(draw(st.integers(1, 4))):
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    elif kind == "cut":
        data = data[: draw(st.integers(0, len(data)))]
    elif kind == "doubled":
        data = data * 2
    elif kind == "value":
        head, _, rest = bytes(data).partition(b"\n")
        ticket, name, facts = json.loads(head)
        if facts and draw(st.booleans()):
            facts[draw(st.sampled_from(sorted(facts)))] = draw(values)
        else:
            ticket, name, facts = draw(
                st.sampled_from([(draw(values), name, facts), (ticket, draw(values), facts), (ticket, name, draw(values))])
            )
        data = json.dumps([ticket, name, facts]).encode() + b"\n" + rest
    else:
        data = draw(st.binary(max_size=300))
    return bytes(data)


def decodes(data):
    """Whether the bytes are a message; whatever they are, nothing but `Garbage` is raised, and what comes out is as it should be."""
    try:
        ticket, message = wire.decode(data)
    except wire.Garbage:
        return False
    assert isinstance(ticket, str) and isinstance(message, wire.Message)
    wire.encode(ticket, message)
    return True


def fuzz_pipe(count):
    told = []

    @settings(max_examples=count, suppress_health_check=list(HealthCheck), deadline=None)
    @given(messages())
    def run(data):
        told.append(decodes(data))

    run()
    return told


def test_some_messages():
    told = fuzz_pipe(50)
    assert len(told) >= 50


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_thousand_messages(record_property):
    told = fuzz_pipe(2000)
    assert len(told) >= 2000
    assert not all(told)
    record_property("drill", f"pipe: {len(told)} messages, {len(told) - sum(told)} refused, no other error")


TOML = b"""# a plan
tasks = ["tfbind8", "./mine.py:MyTask"]
methods = ["random", "root", "coms+ignite"]
seeds = "0-7"
preset = "fast"
budget = 16
skip_missing = false
[set]
"root.steps" = 50
"""
SAVED = {
    "tasks": [{"id": "t", "version": "1", "data_hash": "ab", "reference": "t"}],
    "methods": [
        {"id": "m", "version": "1.2", "reference": "m", "presets": {"t": {"name": "fast", "config": {"a": 1}, "overrides": {}}}}
    ],
    "unsuitable": [],
    "seeds": [0, 1],
    "budget": 16,
    "protocol": 1,
}


def changed(whole, dice):
    """The bytes with one of them replaced, removed or doubled."""
    place = dice.randrange(len(whole))
    return whole[:place] + dice.choice([bytes([dice.randrange(256)]), b"", whole[place : place + 1] * 2]) + whole[place + 1 :]


def fuzz_plans(folder, count):
    """How many altered plan files, and saved plans, were refused."""
    dice, refused, said = random.Random(0), [0, 0], []
    for _ in range(count):
        (folder / "p.toml").write_bytes(changed(TOML, dice))
        try:
            assert set(request.read_plan(folder / "p.toml")) <= {*request.READERS, "overrides"}
        except BBOError as error:
            said.append(("p.toml", str(error)))
            refused[0] += 1
    (folder / "plans").mkdir()
    whole = json.dumps(SAVED, indent=1).encode()
    for _ in range(count):
        data = changed(whole, dice)
        for name in (plan.name_of(whole.decode()), plan.name_of(data.decode(errors="replace"))):  # the second has the right name
            path = folder / "plans" / f"{name}.json"
            path.write_bytes(data)
            try:
                orders = plan.planned(folder)
                assert data == whole or name != plan.name_of(whole.decode())
                assert all(len(order.spec.hash) == 20 and type(order.spec.seed) is int for order in orders)
            except BBOError as error:
                said.append((f"{name}.json", str(error)))
                refused[1] += name == plan.name_of(whole.decode())
            path.unlink()
    assert [pair for pair in said if pair[0] not in pair[1] or "\n" in pair[1]] == []
    return refused


def fuzz_cells(folder, count):
    """How many altered files of a cell were refused; the others still read as what was stored, to the last bit."""
    spec = record.CellSpec("t", "1", "ab" * 32, "m", "1", {"steps": 3}, 0, 16, 1)
    stored = record.Record(spec, "done", {"100": 1.0, "80": 0.5, "50": 0.25}, notes={"a": "b"}, cost={"wall_seconds": 1.0})
    dice, refused, said = random.Random(1), [0, 0], []
    rng = np.random.default_rng(0)
    outcome = record.Outcome(rng.random((16, 3)), rng.random(16), rng.random(16))
    record.write(folder, stored, outcome)
    cell = record.cell_folder(folder, spec.hash)
    for i, name in enumerate(("cell.json", "designs.npz")):
        whole = (cell / name).read_bytes()
        for _ in range(count):
            data = changed(whole, dice)
            (cell / name).write_bytes(data)
            try:
                found = record.read_cell(cell)
                arrays = record.read_outcome(cell, found)
                record.is_done(cell)
            except DamagedCell as error:
                said.append((spec.hash, str(error)))
                refused[i] += 1
            else:
                assert found == stored
                assert all(a.tobytes() == b.tobytes() for a, b in zip(vars(arrays).values(), vars(outcome).values(), strict=True))
        (cell / name).write_bytes(whole)
    assert [pair for pair in said if pair[0] not in pair[1] or "\n" in pair[1] or "remove" not in pair[1]] == []
    return refused


def test_some_bytes_of_plans_and_cells(tmp_path):
    assert min(fuzz_plans(tmp_path / "", 20)) > 5
    assert min(fuzz_cells(tmp_path / "out", 20)) > 5


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_bytes_of_plans_and_cells(tmp_path, record_property):
    toml, saved = fuzz_plans(tmp_path, 1000)
    record_property(
        "drill", f"plan files: 1000 changes, {toml} refused; saved plans: 1000, {saved} refused, the others of equal content"
    )
    cells, arrays = fuzz_cells(tmp_path / "out", 1000)
    record_property(
        "drill", f"cell.json: 1000 changes, {cells} refused; designs.npz: 1000, {arrays} refused; the others read to the bit"
    )


@pytest.mark.drill
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_bytes_into_a_real_pipe(lab, record_property):
    """Each cell writes another random message into its pipe; the host ends that process and goes on."""
    dice = random.Random(2)
    names = []
    for i in range(12):
        data = changed(dice.choice(MESSAGES), dice)
        names.append(
            lab.body(
                f"Random{i}", f"problem._privileged._channel.pipe.send_bytes({data!r})\ntime.sleep(0.2)\nreturn problem.x[:16]"
            )
        )
    results = lab.run(lab.plan(*names, "Good"), timeout=60)
    assert len(results) == 13
    assert {r.spec.method: r.status for r in results if r.spec.method == "Good"} == {"Good": "done"}
    assert not any(r.done for r in results if r.spec.method != "Good")
    record_property("drill", f"a real pipe: {len(names)} random messages, each ended its process alone")
