"""Ports: a free one, and whose one it is that is taken."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganlib.core.errors import BadInput

LISTEN = """
import socket, sys
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
print(s.getsockname()[1], flush=True); sys.stdin.read()
"""


def test_a_free_port_is_found_and_the_former_one_is_taken_again(flows: SimpleNamespace) -> None:
    port = flows.ports.choose(0, "mlflow")
    assert 1024 <= port <= 65535
    assert flows.ports.choose(port, "mlflow") == port
    assert flows.ports.choose(0, "mlflow", f"http://127.0.0.1:{port}") == port
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        assert flows.ports.choose(0, "mlflow", f"http://127.0.0.1:{port}") != port


@pytest.mark.parametrize("ours", [True, False])
def test_it_is_told_whose_port_it_is_and_how_to_go_on(flows: SimpleNamespace, tmp_path: Path, ours: bool) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", LISTEN], cwd=tmp_path, stdin=pipe, stdout=pipe, text=True) as other:
        assert other.stdout
        port = int(other.stdout.readline())
        if ours:
            (tmp_path / ".ganlib").mkdir()
            (tmp_path / ".ganlib/services.json").write_text(json.dumps({"prefect": {"pid": other.pid}}))
        with pytest.raises(BadInput) as caught:
            flows.ports.choose(port, "mlflow")
        other.communicate("")
    told = str(caught.value)
    assert told.startswith(f"port {port} is taken by ")
    assert str(other.pid) in told
    assert str(tmp_path) in told
    assert "make up MLFLOW_PORT=auto" in told
    assert ("Prefect of the project" in told) is ours
    assert ("make down" in told) is ours
