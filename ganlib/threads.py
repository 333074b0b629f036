"""How OpenMP's threads wait. It imports nothing: the command line needs it before anything else."""

from __future__ import annotations

SPINS = "1000"
"""GOMP_SPINCOUNT, unless the user says otherwise: how long a thread spins at a barrier before it sleeps.

libgomp's own default is for long, which makes two threads several times slower as soon as anything else runs; never to
spin costs a third of their speed where nothing does (docs/decisions/0006-threads.md).
"""
