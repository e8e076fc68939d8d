"""Original Design-Bench folders, rebuilt from packed files: their bytes have the published hashes, and import gives them back."""

import os

import numpy as np
import pytest

from bbo import data, registry
from bbo.data.sources import shards
from bbo.tasks import tfbind10

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("BBO_DATA_DIR" not in os.environ, reason="BBO_DATA_DIR is not set"),
]


def rows(name):
    if name == "utr":
        arrays = data.load("utr/utr.npz")
        return arrays["x"], arrays["y"]
    keys, y = tfbind10.rows()
    return tfbind10.SPACE.from_key(keys), y


@pytest.mark.parametrize("name", ["utr", "tfbind10"])
def test_round_trip(name, tmp_path):
    (source,) = [s for s in registry.sources() if s.name == name]
    x, y = rows(name)
    (tmp_path / source.folder).mkdir()
    done = {"x": 0, "y": 0}
    for shard in shards()[source.folder]:
        part = "x" if "-x-" in shard.path else "y"
        width = x.shape[1] if part == "x" else 1
        count = (shard.size - 128) // 4 // width  # 128 bytes of header, 4 bytes a number
        chosen = slice(done[part], done[part] + count)
        array = x[chosen].astype(np.int32) if part == "x" else y[chosen].astype(np.float32)[:, None]
        np.save(tmp_path / shard.path, array)
        assert data.file_hash(tmp_path / shard.path) == shard.sha256, shard.path
        done[part] += count
    assert done == {"x": len(x), "y": len(y)}
    assert data.content_hash(source.arrays(tmp_path)) == data.entry(source.files[0]).content
