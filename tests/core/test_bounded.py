"""Files that are damaged, hostile or merely something else: one line that names the file, and little memory."""

import gzip
import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbo import bounded
from bbo.bounded import Missing, Unreadable

MB = 10**6


@pytest.fixture
def peak():
    """Bytes that Python and NumPy took at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def npy(array, **changes):
    """The bytes of an .npy file, with some fields of its header replaced."""
    facts = {"descr": np.lib.format.dtype_to_descr(array.dtype), "fortran_order": False, "shape": array.shape, **changes}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, facts)
    return file.getvalue() + array.tobytes()


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(3), np.zeros((0, 4)), np.array(["ab", "c"]),
     np.array([True]), np.array([b"x"]), np.ones(3, np.float16)],
)  # fmt: skip
def test_arrays_come_back_as_numpy_reads_them(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", a=array, b=array)
    found = bounded.npz(tmp_path / "a.npz")
    for back in (bounded.npy(tmp_path / "a.npy"), found["a"], found["b"], bounded.npz(tmp_path / "a.npz", ["b"])["b"]):
        assert (back.dtype, back.shape) == (array.dtype, array.shape)
        assert (back == array).all()
        assert back.flags.writeable


HEADERS = {
    "huge": npy(np.zeros(4), shape=(10**12,)),
    "larger": npy(np.zeros(4), shape=(5,)),
    "smaller": npy(np.zeros(4), shape=(3,)),
    "negative": npy(np.zeros(4), shape=(-4,)),
    "overflowing": npy(np.zeros(0), shape=(2**62, 2**62, 0))[:-1],
    "fraction": npy(np.zeros(4), shape=(4.0,)),
    "nothing wide": npy(np.zeros(0), descr="<U0", shape=(10**9,)),
    "objects": npy(np.zeros(1), descr="|O", shape=(1,)),
    "records": npy(np.zeros(2), descr=[("a", "<f8")]),
    "dates": npy(np.zeros(4), descr="<M8[s]"),
    "unknown": npy(np.zeros(4), descr="abc"),
    "code": b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').abort()".ljust(32),
    "deep": b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 8192,
    "long header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 100,
    "version 9": b"\x93NUMPY\x09\x00" + bytes(100),
    "cut magic": b"\x93NUM",
    "cut length": b"\x93NUMPY\x01\x00\x10",
    "cut header": b"\x93NUMPY\x01\x00\x10\x00abc",
    "empty": b"",
    "pickle": pickle.dumps([1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_headers_are_not_trusted(tmp_path, name, peak):
    path = tmp_path / "a.npy"
    path.write_bytes(HEADERS[name])
    with pytest.raises(Unreadable, match=r"a\.npy cannot be read: ") as caught:
        bounded.npy(path)
    assert "\n" not in str(caught.value)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", HEADERS[name])
    with pytest.raises(Unreadable, match=r"a\.npz cannot be read: "):
        bounded.npz(tmp_path / "a.npz")
    assert peak() < 5 * MB


def test_pickled_objects_are_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    np.save(tmp_path / "a.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=np.array([Trap()], dtype=object))
    for read in (lambda: bounded.npy(tmp_path / "a.npy"), lambda: bounded.npz(tmp_path / "a.npz")):
        with pytest.raises(Unreadable, match="Python objects"):
            read()
    assert not (tmp_path / "sprung").exists()


def packed(path, entries):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries:
            archive.writestr(name, data)


def test_a_zip_bomb_takes_no_memory(tmp_path, peak):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (300 * MB,)})
        for _ in range(300):
            file.write(bytes(MB))
    assert path.stat().st_size < MB
    tracemalloc.reset_peak()
    with pytest.raises(Unreadable, match=r"would take 300\.0 MB of memory, and at most 100\.0 MB are read"):
        bounded.npz(path, limit=100 * MB)
    assert peak() < 5 * MB


def test_a_bomb_that_says_it_is_small_is_cut(tmp_path, peak):
    path = tmp_path / "bomb.npz"
    packed(path, [("a.npy", npy(np.zeros(30 * MB, np.uint8)))])
    data = bytearray(path.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 10**4)  # its size in memory, in the list of contents
    path.write_bytes(data)
    tracemalloc.reset_peak()
    with pytest.raises(Unreadable):
        bounded.npz(path, limit=10**5)
    assert peak() < 5 * MB


@pytest.mark.parametrize("name", ["../a.npy", "/etc/passwd.npy", "a.txt", "C:a.npy", "..\\a.npy", "folder/"])
def test_names_that_are_paths(tmp_path, name):
    packed(tmp_path / "a.npz", [(name, npy(np.zeros(2)))])
    with pytest.raises(Unreadable, match="is not the name of an array"):
        bounded.npz(tmp_path / "a.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_and_too_many(tmp_path):
    packed(tmp_path / "a.npz", [("a.npy", npy(np.zeros(2)))] * 2)
    with pytest.raises(Unreadable, match="'a' twice"):
        bounded.npz(tmp_path / "a.npz")
    packed(tmp_path / "b.npz", [(f"{i}.npy", b"") for i in range(bounded.ENTRIES + 1)])
    with pytest.raises(Unreadable, match="parts; at most"):
        bounded.npz(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", a=np.zeros(2))
    with pytest.raises(Unreadable, match="lacks the array 'b'"):
        bounded.npz(tmp_path / "c.npz", ["a", "b"])


def test_a_list_in_the_form_for_large_archives(tmp_path, monkeypatch):
    """A Zip64 record overrules the short one, so it must keep to the same limits."""
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    array = npy(np.arange(3.0))
    packed(tmp_path / "a.npz", [("a.npy", array), ("b.npy", array)])
    assert b"PK\x06\x07" in (tmp_path / "a.npz").read_bytes()
    assert bounded.npz(tmp_path / "a.npz")["b"].tolist() == [0, 1, 2]

    path = tmp_path / "b.npz"
    packed(path, [("a.npy", array), *((f"{i}.npy", b"") for i in range(bounded.ENTRIES))])
    data = bytearray(path.read_bytes())
    data[-14:-6] = struct.pack("<HHI", 1, 1, 100)  # what the short record says
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="lists 1001 parts; at most 1000"):
        bounded.npz(path, ["a"])
    data[-34] ^= 1  # where the Zip64 record is
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="list of contents is damaged"):
        bounded.npz(path, ["a"])


@given(st.data())
@settings(max_examples=60)
def test_any_byte_of_an_archive_changed(tmp_path_factory, data):
    """The checksum of a zip entry finds every change of its content; no change raises another kind of error."""
    folder = tmp_path_factory.mktemp("changed")
    whole = np.arange(40.0)
    np.savez_compressed(folder / "a.npz", a=whole)
    content = bytearray((folder / "a.npz").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (folder / "a.npz").write_bytes(content[: data.draw(st.sampled_from([len(content), place]))])
    try:
        found = bounded.npz(folder / "a.npz", limit=MB)
    except Unreadable:
        return
    assert all((array == whole).all() for array in found.values())


def test_what_is_no_file(tmp_path):
    with pytest.raises(Missing, match="there is no such file"):
        bounded.content(tmp_path / "none")
    with pytest.raises(Unreadable, match="it is a folder"):
        bounded.content(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(Unreadable, match="not a regular file"):
            bounded.content(path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert bounded.content(tmp_path / "link") == b"x"
    with pytest.raises(Unreadable, match="it is a link"):
        bounded.content(tmp_path / "link", links=False)
    with pytest.raises(Unreadable, match="null byte"):
        bounded.content("a\0b")
    with pytest.raises(Unreadable, match=r"it has 1 bytes, and at most 0 bytes are read"):
        bounded.content(tmp_path / "file", limit=0)


def test_texts(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffé".encode())
    assert bounded.text(path) == "é"
    path.write_bytes("é".encode("utf-16"))
    with pytest.raises(Unreadable, match="it is in UTF-16; save it as UTF-8"):
        bounded.text(path)
    path.write_bytes("é".encode("latin-1"))
    with pytest.raises(Unreadable, match="not in UTF-8"):
        bounded.text(path)


def test_gzipped_texts(tmp_path, peak):
    path = tmp_path / "a.csv.gz"
    packed = gzip.compress("é,1\n".encode() * 1000)
    path.write_bytes(packed)
    assert bounded.unzipped(path) == "é,1\n" * 1000
    for damaged in (packed[:-9], packed[:20] + b"xxxx" + packed[24:], b"a,b", packed[:-5] + b"\0" * 5):
        path.write_bytes(damaged)
        with pytest.raises(Unreadable):
            bounded.unzipped(path)
    path.write_bytes(gzip.compress(bytes(100 * MB)))
    tracemalloc.reset_peak()
    with pytest.raises(Unreadable, match="unpacked it has more than"):
        bounded.unzipped(path, MB)
    assert peak() < 5 * MB


@pytest.mark.parametrize(
    ("words", "reason"),
    [("[" * 10**6, "nested too deeply"), ('{"a": 1, "a": 2}', "'a' is there twice"), ('[{"b": {"a": 1, "a": 1}}]', "twice"),
     ("NaN", "no number of JSON"), ("[-Infinity]", "no number"), ("", "not valid JSON"), ("{", "not valid JSON"),
     ("9" * 10_000, "not valid JSON"), ('{"a":' * 10**5, "nested too deeply")],
)  # fmt: skip
def test_json(words, reason):
    with pytest.raises(Unreadable, match=reason) as caught:
        bounded.parsed_json("a.json", words)
    assert str(caught.value).startswith("a.json cannot be read: ")
    assert bounded.parsed_json("a", "[NaN, 1]", lambda name: None) == [None, 1]


@pytest.mark.parametrize("words", ["a = " + "[" * 10**5, "a = 1\na = 2", "a = 2026-99-99", "=", "a = {" + "b={" * 10**4, "\0"])
def test_toml(words):
    with pytest.raises(Unreadable, match=r"a\.toml cannot be read: it is n"):
        bounded.parsed_toml("a.toml", words)


def test_parquet(tmp_path, peak):
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"a": [1, 2], "b": ["x", None]}), path)
    assert bounded.parquet(path).to_pydict() == {"a": [1, 2], "b": ["x", None]}
    parquet.write_table(arrow.table({"a": arrow.array([], arrow.string())}), path)
    assert bounded.parquet(path).num_rows == 0
    # One long text, ten thousand times: some KB on disk, 10 GB in memory.
    long = arrow.array(["x" * MB]).dictionary_encode()
    bomb = arrow.DictionaryArray.from_arrays(arrow.array([0] * 10_000), long.dictionary)
    parquet.write_table(arrow.table({"a": bomb}), path, store_schema=False)
    assert path.stat().st_size < 3 * MB
    before = arrow.default_memory_pool().max_memory()
    with pytest.raises(Unreadable, match=r"takes more than 200\.0 MB of memory"):
        bounded.parquet(path, limit=200 * MB)
    assert arrow.default_memory_pool().max_memory() - before < 800 * MB
    whole = path.read_bytes()
    for damaged in (b"", b"PAR1", whole[:100], whole[:-1], whole[:-9] + b"\xff" * 9, b"PAR1" + bytes(100) + b"PAR1"):
        path.write_bytes(damaged)
        with pytest.raises(Unreadable, match=r"a\.parquet cannot be read"):
            bounded.parquet(path)


@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "a"
    for start in (b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00", b"PK\x05\x06"):
        path.write_bytes(start + data)
        for read in (bounded.npy, bounded.npz):
            with pytest.raises(Unreadable):
                read(path)
    with pytest.raises(Unreadable):
        json.dumps(bounded.parsed_json("a", "\x01" + data.decode("latin-1")))


def test_members_of_an_archive_are_read_one_at_a_time_and_bounded(tmp_path, peak):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.txt", b"second")
        archive.writestr("a.txt", b"first")
        archive.writestr("bomb.txt", bytes(200 * MB))
        archive.writestr("other", b"not wanted")
    found = bounded.members(tmp_path / "a.zip", lambda name: name.endswith(".txt"), MB)
    assert [next(found), next(found)] == [("a.txt", b"first"), ("b.txt", b"second")]
    tracemalloc.reset_peak()
    with pytest.raises(Unreadable, match=r"a\.zip cannot be read: unpacked bomb\.txt has more than 1\.0 MB"):
        next(found)
    assert peak() < 5 * MB
