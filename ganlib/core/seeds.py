"""How large a seed may be."""

from __future__ import annotations

SEEDS = 2**63
"""Seeds of trainings, splits and measurements are below this: numpy, torch and a database's integers all hold them."""

NOISE_SEEDS = 2**64
"""Seeds of images are below this, in params.yaml, on the command line and over HTTP: the width of Philox's key."""
