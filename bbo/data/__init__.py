"""Data files of tasks: finding and checking them (`files`), the original data (`sources`), downloads (`fetch`).

Nothing but `fetch` touches the network.
"""

from bbo.data.files import (
    DataFile,
    cache_dir,
    check,
    content_hash,
    entry,
    file_hash,
    find,
    load,
    manifest,
    missing,
    package_dir,
    read_npz,
    search_path,
    store,
)
from bbo.data.sources import Arrays, Shards, Source

__all__ = [
    "Arrays",
    "DataFile",
    "Shards",
    "Source",
    "cache_dir",
    "check",
    "content_hash",
    "entry",
    "file_hash",
    "find",
    "load",
    "manifest",
    "missing",
    "package_dir",
    "read_npz",
    "search_path",
    "store",
]
