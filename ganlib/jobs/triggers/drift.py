"""Cause: a batch, the images in the inbox, or the new data version are not what the champion was trained for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.data.importing.decode import Rules, Unreadable, decode
from ganlib.data.raw import read_report
from ganlib.data.splits import file_names, load_array, load_split
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.state import describe
from ganlib.evaluation.data_drift import LEAST, MOST_NEW, MOST_OLD, data_drift
from ganlib.generation.batch import card as cards
from ganlib.generation.storage import is_url, locate
from ganlib.jobs.measuring.quality import judge_of
from ganlib.jobs.triggers.inbox.base import Arrival, Inbox, InboxFile
from ganlib.jobs.triggers.situation import Situation

_CACHE: dict[tuple[object, ...], str | None] = {}
"""The last answer of each kind."""


def due(situation: Situation) -> str | None:
    """Say what drifts, of the three; None if nothing does, or nothing can be compared."""
    if situation.champion is None:
        return None
    return "; ".join([*_batches(situation), *_inbox(situation), *_data(situation)]) or None


def _batches(situation: Situation) -> Iterator[str]:
    """Batches of the champion in ``services.outputs``, at most two folders deep, that their own check says drift."""
    champion, root = situation.champion, situation.project.root
    places = [root / place for place in situation.params.services.outputs if not is_url(place)]
    files = [file for place in places for depth in ("*", "*/*") for file in place.glob(f"{depth}/{cards.FILE}")]
    for file in sorted(files):
        card = cards.read(locate(str(file.parent)))
        if card is None or champion is None or (card.model, card.version) != (champion.name, champion.version):
            continue
        tests = (card.quality or {}).get("drifted")
        if isinstance(tests, list) and tests:
            folder = file.parent.relative_to(root) if file.is_relative_to(root) else file.parent
            yield f"batch {folder} of version {card.version} drifts in {' and '.join(map(str, tests))}"


def _inbox(situation: Situation) -> Iterator[str]:
    """The images that wait in the inbox, beside the training images."""
    place, project, inbox = situation.params.triggers.inbox, situation.project, situation.inbox
    files = situation.arrivals.ready[:MOST_NEW]
    if inbox is None or len(files) < LEAST:
        return
    rules = Rules(**read_report(project.raw).rules.model_dump())
    words = _cached(
        ("inbox", situation.data_version, place, files),
        lambda: _compare(situation, _decoded(inbox, files, rules), load_split(project.prepared, "train").images),
    )
    if words:
        yield f"in {place}: {words}"


def _data(situation: Situation) -> Iterator[str]:
    """The data version's training images, beside those of the champion's, which DVC's cache may have."""
    project, champion = situation.project, situation.champion
    md5 = champion.data_version if champion else None
    if md5 is None or md5 == situation.data_version:
        return
    store, name = dvc_cache.cache(project), file_names("train")[0]
    listing = store.listing(md5) or {}
    path = store.path(listing[name]) if name in listing else None
    if path is None or not path.exists():
        return
    words = _cached(
        ("data", situation.data_version, md5),
        lambda: _compare(situation, load_split(project.prepared, "train").images, _array(path)),
    )
    if words:
        yield f"data version {(situation.data_version or '')[:12]}: {words}"


def _cached(key: tuple[object, ...], compute: Callable[[], str | None]) -> str | None:
    """What ``compute`` said the last time that it was asked under ``key``: a look is every minute, and this is slow."""
    if key not in _CACHE:
        for other in [other for other in _CACHE if other[0] == key[0]]:
            del _CACHE[other]
        _CACHE[key] = compute()
    return _CACHE[key]


def _decoded(inbox: Inbox, files: tuple[InboxFile, ...], rules: Rules) -> np.ndarray:
    """What can be read of the files of an inbox; uint8 [n, channels, side, side]."""

    def read(file: InboxFile) -> Arrival | None:
        with suppress(BadInput):  # a look puts nothing in quarantine
            return inbox.read(file)
        return None

    images = []
    for arrival in filter(None, inbox.in_parallel(read, files)):
        with suppress(Unreadable):
            images.append(decode(io.BytesIO(arrival.content), rules))
    return np.stack(images) if images else np.zeros((0, rules.channels, rules.size, rules.size), np.uint8)


def _compare(situation: Situation, new: np.ndarray, old: np.ndarray) -> str | None:
    """Say that ``new`` images drift from ``old`` ones by the data's judge; None if not, or nothing can be said."""
    if min(len(new), len(old)) < LEAST or new.shape[1:] != old.shape[1:]:
        return None
    judge = judge_of(situation.project, situation.params, describe(situation.project).spec)
    if isinstance(judge, str):  # there is none yet, and a look trains none
        return None
    ours, theirs = (
        judge.features(
            np.ascontiguousarray(images[np.linspace(0, len(images) - 1, min(len(images), most)).astype(int)])
        )
        for images, most in ((new, MOST_NEW), (old, MOST_OLD))
    )
    drift = data_drift(ours.features, theirs.features)
    return str(drift) if drift.is_drift else None


def _array(path: Path) -> np.ndarray:
    images = load_array(path, mapped=True)
    return images[:, None] if images.ndim == 3 else images
