"""What a data set is called where nobody says it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePath

_ENDINGS = (".tar.gz", ".tgz", ".tar", ".zip", ".parquet")
_NAMELESS, _LONGEST = "images", 48


def dataset_name(source: str, known: tuple[str, ...] = ("mnist",)) -> str:
    """Return the last part of the path ``source`` in lower-case letters, digits, dots and dashes.

    A place that is called like one of the data sets ``known`` by name gets ``-own`` behind it: models of the two are
    never compared.
    """
    if source in known:
        return source
    name = PurePath(source).name.lower()
    ending = next((each for each in _ENDINGS if name.endswith(each)), "")
    plain = unicodedata.normalize("NFKD", name.removesuffix(ending)).encode("ascii", "ignore").decode()
    short = re.sub(r"[^a-z0-9._-]+", "-", plain).strip("._-")[:_LONGEST] or _NAMELESS
    return f"{short[: _LONGEST - 4]}-own" if short in known else short
