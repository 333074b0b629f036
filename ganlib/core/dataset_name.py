"""What a data set is called where nobody says it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip", ".parquet")
_NAMELESS, LONGEST = "images", 48


def dataset_name(source: str) -> str:
    """Return the last part of the path ``source`` in lower-case letters, digits, dots and dashes."""
    name = PurePath(source).name.lower()
    ending = next((each for each in _ENDINGS if name.endswith(each)), "")
    plain = unicodedata.normalize("NFKD", name.removesuffix(ending)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9._-]+", "-", plain).strip("._-")[:LONGEST] or _NAMELESS
