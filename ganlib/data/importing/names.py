"""What a place is called where nobody says it."""

from __future__ import annotations

from ganlib.core.dataset_name import LONGEST, dataset_name
from ganlib.data import known

_OWN = "-own"


def own_name(source: str) -> str:
    """Return the name for the images at the path ``source``.

    A place that is called like a data set known by name gets ``-own`` behind it: models of the two are never compared.
    """
    name = dataset_name(source)
    return f"{name[: LONGEST - len(_OWN)]}{_OWN}" if name in known.names() else name
