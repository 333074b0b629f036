"""What a data set is called where nobody says it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

from ganlib.data import known
from ganlib.data.importing.files import ARCHIVES

_NAMELESS, _LONGEST = "images", 48


def dataset_name(source: str) -> str:
    """Return the last part of the path ``source`` in lower-case letters, digits, dots and dashes.

    A place that is called like a data set known by name gets ``-own`` behind it: models of the two are never compared.
    """
    name = PurePath(source).name.lower()
    ending = next((each for each in (*ARCHIVES, ".parquet") if name.endswith(each)), "")
    plain = unicodedata.normalize("NFKD", name.removesuffix(ending)).encode("ascii", "ignore").decode()
    short = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("._-")[:_LONGEST] or _NAMELESS
    return f"{short[: _LONGEST - 4]}-own" if short in known.names() else short
