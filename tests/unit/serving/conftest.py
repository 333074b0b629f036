"""Models of each kind, and a server that has them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import graphs
from tests.unit.serving.running import Files, Running, running


@pytest.fixture(scope="session")
def small_graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """``plain``, ``second`` (as plain, of other weights), ``digits`` and ``captions`` of MNIST, and three in colour."""
    kinds = {"plain": None, "second": None, "digits": "label", "captions": "caption"}
    kinds |= {"shop": "label", "cells": None, "icons": "caption"}
    return graphs.write_all(tmp_path_factory.mktemp("graphs"), kinds)


@pytest.fixture(scope="session")
def server(small_graphs: dict[str, Path]) -> Iterator[Running]:
    """A server of them all, ``plain`` first; nothing in it is changed by tests."""
    with running(Files(**small_graphs)) as made:
        yield made
