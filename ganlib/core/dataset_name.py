"""What a data set is called where nobody says it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

ZIP, TAR = (".zip",), (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""How the archives are called that pictures are read from."""
_ENDINGS = (*ZIP, *TAR, ".parquet")
_NAMELESS, LONGEST = "images", 48


def dataset_name(source: str) -> str:
    """Return the last part of the path ``source`` in lower-case letters, digits, dots and dashes."""
    name = PurePath(source).name.lower()
    ending = max((each for each in _ENDINGS if name.endswith(each)), key=len, default="")
    plain = unicodedata.normalize("NFKD", name.removesuffix(ending)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("._-")[:LONGEST] or _NAMELESS
