"""Which of two models makes the item of a key: decided by a hash, so that everybody answers alike and nobody is asked.

A generator of batches or a server calls :func:`side` with what ``ganlib ab start`` recorded
(:mod:`ganlib.abtest.experiment`).
"""

from __future__ import annotations

import hashlib
from typing import Literal

Side = Literal["a", "b"]


def side(salt: str, share_a: float, key: str) -> Side:
    """Return ``a`` for the share ``share_a`` (0..1) of all keys, else ``b``; another ``salt`` deals the keys anew.

    The first 64 bits of the SHA-256 of salt and key, as a fraction, are compared with the share.
    """
    digest = hashlib.sha256(f"{salt}\n{key}".encode()).digest()
    return "a" if int.from_bytes(digest[:8]) < share_a * 2**64 else "b"
