"""What a method's process may say: anything but what was agreed costs its cell alone, and an honest method beside it is not touched."""

import io
import json
import math
import multiprocessing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbo.harness.options import RunOptions
from bbo.harness.sandbox import wire

#: Before these lines `say(kind, facts, array)` sends a message with the cell's own ticket; `say_raw` sends bytes.
CHANNEL = """
from bbo.harness.sandbox import wire

def tools(problem):
    channel = problem._privileged._channel
    def say(kind, facts, array=None, ticket=None):
        data = json.dumps([channel.ticket if ticket is None else ticket, kind, facts]).encode() + b"\\n"
        if array is not None:
            buffer = io.BytesIO(); np.save(buffer, array, allow_pickle=True); data += buffer.getvalue()
        channel.pipe.send_bytes(data)
    return channel, say
"""
ANSWER = "{'error': None, 'notes': {}, 'stack': {'device': 'cpu', 'threads': 1}, 'cost': {}, 'warnings': []}"
HONEST_END = "return problem.x[:problem.budget]"

CARELESS = {
    "Infinite": "problem.progress(1, float('inf'))",
    "InfiniteStep": "problem.progress(float('inf'), 10)",
    "NotANumber": "problem.progress(float('nan'), 10)",
    "Negative": "problem.progress(-5, -10)",
    "Text": "problem.progress('3', 10)",
    "Nothing": "problem.progress(3, None)",
    "Enormous": "problem.progress(10**30, 10**31, problem.x[:16])",
    "Fraction": "problem.progress(0.5, 1.0)",
    "Tensor": "problem.progress(torch.tensor(3), 10)",
    "Vector": "problem.progress(torch.arange(3), 10)",
    "List": "problem.progress(1, 2, problem.x[:16].tolist())",
}
FINE = {
    "NumPy": "problem.progress(np.int64(3), 10)",
    "Function": "problem.progress(3, 10, lambda: problem.x[:16])",
    "Plain": "problem.progress(3, 10, problem.x[:16])",
}
HOSTILE = {
    "UnknownKind": "say('launch', {})",
    "NoStep": "say('Progress', {})",
    "StepText": "say('Progress', {'step': 'x', 'total': 3})",
    "StepHuge": "say('Progress', {'step': 10**30, 'total': 10**31})",
    "StepNan": "say('Progress', {'step': float('nan'), 'total': 3})",
    "AskNothing": "say('Ask', {})",
    "AskUnknown": "say('Ask', {'name': 'nope'}); channel.pipe.recv()",
    "FetchNoKey": "say('Fetch', {})",
    "KeepNoArray": "say('Keep', {'key': 'a'})",
    "Bytes": "channel.pipe.send_bytes(b'\\x00garbage')",
    "Deep": "channel.pipe.send_bytes(b'[' * 200000 + b'\\n')",
    "Half": "os.write(channel.pipe.fileno(), b'\\x00\\x00\\x10\\x00abc'); time.sleep(1); os._exit(1)",
    "Pickle": "channel.pipe.send(problem.x)",
    "ObjectArray": f"say('Answer', {ANSWER}, np.array([{{'a': 1}}], dtype=object))",
    "EmptyAnswer": "say('Answer', {})",
    "AnswerWithoutDesigns": f"say('Answer', {ANSWER})",
    "ErrorIsNumber": "say('Answer', {'error': 5, 'notes': 3, 'stack': 'x', 'cost': 'y', 'warnings': 7}, problem.x[:16].numpy())",
    "StackIsText": f"say('Answer', {{**{ANSWER}, 'stack': 'x'}}, problem.x[:16].numpy())",
    "CostIsText": f"say('Answer', {{**{ANSWER}, 'cost': {{'cpu_seconds': 'abc'}}}}, problem.x[:16].numpy())",
    "ForgedCommit": f"say('Answer', {{**{ANSWER}, 'stack': {{'device': 'cpu', 'threads': 1, 'commit': 'x'}}}}, problem.x[:16].numpy())",
    "OtherDevice": f"say('Answer', {{**{ANSWER}, 'stack': {{'device': 'cuda', 'threads': 1}}}}, problem.x[:16].numpy())",
    "OtherThreads": f"say('Answer', {{**{ANSWER}, 'stack': {{'device': 'cpu', 'threads': 64}}}}, problem.x[:16].numpy())",
    "TwoAnswers": f"for i in range(3): say('Answer', {ANSWER}, problem.x[:16].numpy())",
    "BeginsAgain": "say('Begin', {'stack': {}})",
    "OtherTicket": f"say('Answer', {ANSWER}, problem.x[:16].numpy(), ticket='another')",
    "Settles": "say('Settled', {'changed': []})",
    "TooLong": "channel.pipe.send_bytes(bytes(10**7))",
    "AsksAndDoesNotRead": "for i in range(50): say('Ask', {'name': 'y_max'})\ntime.sleep(1)\nreturn problem.x[:16] * float('nan')",
}


def honest(lab, *seeds):
    return list(lab.plan("Good", seeds=seeds))


@pytest.fixture(scope="module")
def expected(module_lab):
    """The honest method's designs in a run of its own."""
    made = module_lab.plan("Good", seeds=tuple(range(40)))
    module_lab.run(made, module_lab.folder / "clean")
    return {cell.spec.seed: module_lab.designs(cell.spec, module_lab.folder / "clean") for cell in made}


def beside_an_honest_method(lab, bodies, expected, **limits):
    """Run each body, and after each of them the honest method with another seed; the bodies' records by name."""
    cells = []
    for seed, (name, body) in enumerate(bodies.items()):
        (cell,) = lab.plan(lab.body(name, f"channel, say = tools(problem)\n{body}\n{HONEST_END}", f"import io, json\n{CHANNEL}"))
        cells += [cell, *honest(lab, seed)]
    results = lab.run(cells, options=RunOptions(**{"device": "cpu", "timeout": 60, **limits}))
    good = [r for r in results if r.spec.method == "Good"]
    assert len(good) == len(bodies)
    for r in good:
        assert r.done, r.error
        assert (lab.designs(r.spec) == expected[r.spec.seed]).all()
    return {r.spec.method: r for r in results if r.spec.method != "Good"}


def test_a_careless_progress_is_refused_where_it_is_called(lab, expected):
    tries = "".join(
        f"try:\n    {call}\n    refused.append('')\nexcept (TypeError, ValueError) as error:\n    refused.append(str(error))\n"
        for call in CARELESS.values()
    )
    bodies = {"Catches": f"refused = []\n{tries}problem.note(refused=refused)", "Infinite": CARELESS["Infinite"]}
    found = beside_an_honest_method(lab, bodies, expected)
    for name, message in zip(CARELESS, found["Catches"].notes["refused"], strict=True):
        assert "problem.progress takes" in message, name
    assert found["Infinite"].error["reason"] == "error"
    assert "problem.progress takes" in found["Infinite"].error["message"]


def test_whole_numbers_of_any_type_are_fine(lab, expected):
    assert all(r.done for r in beside_an_honest_method(lab, FINE, expected, trace=True).values())


QUICK = ("UnknownKind", "StackIsText", "TwoAnswers", "Bytes")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", [QUICK, pytest.param(tuple(n for n in HOSTILE if n not in QUICK), marks=pytest.mark.slow)])
def test_what_was_not_agreed_costs_its_cell_alone(lab, expected, names):
    found = beside_an_honest_method(lab, {name: HOSTILE[name] for name in names}, expected)
    reasons = {name: (r.error or {}).get("reason", r.status) for name, r in found.items()}
    if "AsksAndDoesNotRead" in names:  # small replies may all find room in the pipe; then it fails by what it returns
        assert reasons.pop("AsksAndDoesNotRead") in ("crash", "invalid designs")
    assert set(reasons.values()) == {"crash"}, reasons


arrays = st.sampled_from(
    [np.zeros((2, 3)), np.zeros(0), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(["ab"]), np.float32(3)]
)


@given(step=st.integers(0, 2**63 - 1), total=st.integers(0, 2**63 - 1), array=st.none() | arrays, ticket=st.text(max_size=8))
def test_messages_arrive_as_they_were(step, total, array, ticket):
    back, message = wire.decode(wire.encode(ticket, wire.Progress(step, total, None if array is None else np.asarray(array))))
    assert (back, message.step, message.total) == (ticket, step, total)
    assert (message.array is None) == (array is None)
    assert array is None or (message.array == array).all()


GOOD_ANSWER = wire.encode(
    "t", wire.Answer(None, {"a": 1}, {"device": "cpu"}, {"cpu_seconds": 1.0}, ["w"], np.arange(6.0).reshape(2, 3))
)


@given(st.integers(0, len(GOOD_ANSWER) - 1), st.integers(0, 255), st.integers(0, len(GOOD_ANSWER)))
def test_damaged_bytes_are_garbage_or_a_message(place, byte, length):
    data = bytearray(GOOD_ANSWER)
    data[place] = byte
    for damaged in (bytes(data), GOOD_ANSWER[:length], GOOD_ANSWER + bytes(data[:length])):
        try:
            ticket, message = wire.decode(damaged)
        except wire.Garbage:
            continue
        assert isinstance(ticket, str) and isinstance(message, wire.Answer)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.zeros((0, 4), np.float32),
        np.array(3),
        np.arange(9)[::2],
    ],
)
def test_an_array_reaches_the_method_as_it_was(array):
    host, method = multiprocessing.Pipe()
    for sent in (array, "make", array):
        wire.deliver(host, sent)
        found = wire.receive(method)
        if isinstance(sent, str):
            assert found == sent
            continue
        assert (found.dtype, found.shape, found.flags.fnc) == (array.dtype, array.shape, array.flags.fnc)
        assert (found == array).all() and found.flags.writeable


def test_an_array_that_says_it_is_huge_takes_no_memory():
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    with pytest.raises(wire.Garbage, match="not of the size"):
        wire.decode(b'["t", "Keep", {"key": "a"}]\n' + buffer.getvalue() + bytes(80))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "x", True, None, 10**400])
def test_costs_are_finite_amounts(value):
    facts = {"error": None, "notes": {}, "stack": {}, "cost": {"cpu_seconds": value}, "warnings": []}
    body = GOOD_ANSWER.partition(b"\n")[2]
    with pytest.raises(wire.Garbage):
        wire.decode(json.dumps(["t", "Answer", facts]).encode() + b"\n" + body)
