"""Evaluations as they were recorded before metrics were objects: people's registries hold them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OLD = ("digits", "fid", "kid", "floor_fid", "floor_kid", "quality", "floor_quality", "fid_resampled")
_TEN = tuple("0123456789")  # every judge's classes at that time


def upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of today's record for ``values``, which may be those of an old one."""
    new = dict(values)
    if "fid" not in new:
        return new
    old = {name: new.pop(name, None) for name in _OLD}
    shares = tuple(old["digits"] or ())
    new["figures"] = {"fid": old["fid"], "kid": old["kid"], **dict(old["quality"] or {})}
    new["floors"] = {"fid": old["floor_fid"], "kid": old["floor_kid"], **dict(old["floor_quality"] or {})}
    if old["fid_resampled"]:
        new["resampled"] = {"fid": old["fid_resampled"]}
    if len(shares) == len(_TEN):
        even = 1 / len(_TEN)
        new |= {"class_names": _TEN, "class_shares": shares, "real_class_shares": (even,) * len(_TEN)}
        new["figures"] |= {
            "class_excess": _single(max(shares) / even),
            "class_distance": _single(sum(abs(share - even) for share in shares) / 2),
        }
    agreement = dict(new.get("agreement") or {})
    if "digit" in agreement:
        new["agreement"] = {"class" if name == "digit" else name: share for name, share in agreement.items()}
    return new


def _single(value: float) -> dict[str, float]:
    """A figure whose interval was not recorded."""
    return {"value": value, "low": value, "high": value}
