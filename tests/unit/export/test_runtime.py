"""The one place that makes onnxruntime sessions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests import factories

_OPEN = """
import sys
from pathlib import Path
from ganlib.export.runtime import open_session
open_session(Path(sys.argv[1]).read_bytes(), "the graph")
"""
_QUIET = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "TRAVIS", "JENKINS_URL", "CODEBUILD_BUILD_ID", "BUILDKITE")
"""Where one of these is set onnxruntime reports nothing anyway."""


def test_what_is_run_is_not_reported_to_the_makers_of_onnxruntime(tmp_path: Path) -> None:
    factories.graph(tmp_path / "g.onnx")
    (tmp_path / "home").mkdir()
    gone = (*_QUIET, "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in gone}
    environment["HOME"] = str(tmp_path / "home")
    subprocess.run([sys.executable, "-c", _OPEN, tmp_path / "g.onnx"], env=environment, check=True)
    assert list((tmp_path / "home").rglob("onnxruntime*")) == []
