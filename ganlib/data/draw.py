"""Seeded, stratified draws that give the same indices on every machine and numpy version."""

from __future__ import annotations

import numpy as np


def held_out(labels: np.ndarray, one_in: int, seed: int, stream: int) -> np.ndarray:
    """Choose one in ``one_in`` of ``labels``, each class in proportion; a class of one image is not drawn from.

    Args:
        labels: int [n], 0 or more; all the same where there are no classes.
        one_in: m // one_in are chosen of the m images in classes of several, of each class its share rounded up or
            down (largest remainders up).
        seed: of the draw.
        stream: tells apart draws with the same seed.

    Returns:
        bool [n], true for the chosen.
    """
    # Raw Philox words, not Generator methods: numpy promises that only the former never change.
    tickets = np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(len(labels))
    is_out = np.zeros(len(labels), bool)
    counts = np.bincount(labels)
    quotas = _quotas(np.where(counts == 1, 0, counts), one_in)
    by_class = np.argsort(labels, kind="stable")
    for members, quota in zip(np.split(by_class, np.cumsum(counts)[:-1]), quotas, strict=True):
        is_out[members[np.argsort(tickets[members], kind="stable")[:quota]]] = True
    return is_out


def _quotas(counts: np.ndarray, one_in: int) -> np.ndarray:
    quotas = counts // one_in
    short = int(counts.sum()) // one_in - int(quotas.sum())
    quotas[np.argsort(-(counts % one_in), kind="stable")[:short]] += 1
    return quotas
