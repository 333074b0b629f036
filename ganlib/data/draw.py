"""Seeded, stratified draws that give the same indices on every machine and numpy version."""

from __future__ import annotations

import numpy as np


def held_out(labels: np.ndarray, one_in: int, seed: int, stream: int) -> np.ndarray:
    """Choose one in ``one_in`` of ``labels``, each class in proportion.

    Args:
        labels: uint8 [n].
        one_in: n // one_in are chosen, of each class its share rounded up or down (largest remainders up).
        seed: of the draw.
        stream: tells apart draws with the same seed.

    Returns:
        bool [n], true for the chosen.
    """
    # Raw Philox words, not Generator methods: numpy promises that only the former never change.
    tickets = np.random.Philox(key=np.array([seed, stream], np.uint64)).random_raw(len(labels))
    chosen = np.zeros(len(labels), bool)
    for digit, quota in enumerate(_quotas(np.bincount(labels, minlength=10), one_in)):
        members = np.flatnonzero(labels == digit)
        chosen[members[np.argsort(tickets[members], kind="stable")[:quota]]] = True
    return chosen


def _quotas(counts: np.ndarray, one_in: int) -> np.ndarray:
    quotas = counts // one_in
    short = int(counts.sum()) // one_in - int(quotas.sum())
    quotas[np.argsort(-(counts % one_in), kind="stable")[:short]] += 1
    return quotas
