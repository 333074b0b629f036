"""deploy/compose.yaml without containers: its commands and its environment, with loopback's ports in place of names."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
_WORKERS = {"MLFLOW_WORKERS": "1"}  # the one thing that is less here: memory


class Compose:
    """The services of the file, as they run in ``project``; a ``NAME:PORT`` of theirs is one of ``ports``."""

    def __init__(self, project: Path, secrets: Mapping[str, str], ports: Mapping[str, int]) -> None:
        self.project, self.secrets, self.ports = project, secrets, ports
        self.tree: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
        folder = project / "secrets"
        folder.mkdir()
        for name in self.tree["secrets"]:
            (folder / name).write_text(f"{secrets[name]}\n")
        (project / "deploy").mkdir()
        (project / "deploy/mlflow-auth.ini").write_text(self.here((DEPLOY / "mlflow-auth.ini").read_text()))

    def here(self, text: str) -> str:
        """``text`` of the file, with what a container would see put into this machine's terms."""
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)
        for place, port in self.ports.items():
            name, _, inner = place.partition(":")
            text = re.sub(rf"\b{name}:{inner}\b", f"127.0.0.1:{port}", text)
            text = re.sub(rf"(?<=^){inner}$|(?<=127\.0\.0\.1:){inner}\b", str(port), text)
        text = text.replace("/opt/prefect/", f"{self.project}/")
        text = text.replace("/run/secrets/", f"{self.project}/secrets/")
        return text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104

    def environment(self, name: str) -> dict[str, str]:
        """What the file sets for a service; none of it is this machine's own."""
        return {key: self.here(str(value)) for key, value in self.tree["services"][name]["environment"].items()}

    def command(self, name: str, words: list[str] | None = None) -> list[str]:
        """The entry point of the image and the service's command, or other ``words``."""
        (entry,) = re.findall(r"^ENTRYPOINT (.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        return _python(
            [*json.loads(entry), *_python([*map(self.here, words or self.tree["services"][name]["command"])])]
        )

    def run(self, name: str) -> None:
        """Run a service that ends, to its end."""
        done = subprocess.run(
            self.command(name), cwd=self.project, env=self._whole(name), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    def serve(self, begin: Callable[..., None], name: str, url: str) -> None:
        """Start a service that stays, and wait until ``url`` answers; then its health check says so, too."""
        begin(self.command(name), url, self.project, **self._whole(name))
        check = _python([*map(self.here, self.tree["services"][name]["healthcheck"]["test"][1:])])
        subprocess.run(check, cwd=self.project, check=True)

    def _whole(self, name: str) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.project), "PREFECT_HOME": str(self.project / "prefect")}
        return {**os.environ, **own, **self.environment(name), **_WORKERS}


def _python(words: list[str]) -> list[str]:
    return [sys.executable if word == "python" else word for word in words]
