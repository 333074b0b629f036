"""Prefect, imported before a fork and put aside: the first import of it in a fork brings it back, as if it were new.

Its import takes more than a second, and reads the environment for two things, which are read again then: the settings
that all of it asks for, and how to log.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_CLIENT = (
    "prefect.artifacts",
    "prefect.client.orchestration",
    "prefect.deployments.runner",
    "prefect.events",
    "prefect.flow_engine",
    "prefect.main",
    "prefect.runner",
    "prefect.task_engine",
)
"""Nothing of its server, whose modules keep what they read."""


class Prefect(MetaPathFinder, Loader):
    """Stands in front of what finds modules, until somebody asks for Prefect."""

    def __init__(self) -> None:
        """Import it with a home that nobody has and no logging, and forget it."""
        with tempfile.TemporaryDirectory() as home:
            silence = Path(home) / "logging.yml"
            silence.write_text("{version: 1, incremental: true}")
            here = {"PREFECT_HOME": home, "PREFECT_LOGGING_SETTINGS_PATH": str(silence)}
            os.environ |= here
            for name in _CLIENT:
                importlib.import_module(name)
            for name in here:
                del os.environ[name]
        names = [name for name in sys.modules if name.partition(".")[0] == "prefect"]
        assert not [name for name in names if name.startswith("prefect.server")]
        self._modules = {name: sys.modules.pop(name) for name in names}
        spec = self._modules["prefect"].__spec__
        assert spec
        self._spec = spec
        sys.meta_path.insert(0, self)

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Answer for Prefect alone, which may be looked for and not imported."""
        if fullname != self._spec.name:
            return None
        spec = ModuleSpec(fullname, self, origin=self._spec.origin, is_package=True)
        spec.submodule_search_locations = self._spec.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Bring back all that was put aside, once."""
        sys.meta_path.remove(self)
        sys.modules.update(self._modules)
        return self._modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Read the environment again, as Prefect does when it is imported."""
        module.__spec__ = self._spec
        self._modules["prefect.context"].refresh_global_settings_context()
        configuration = self._modules["prefect.logging.configuration"]
        configuration.PROCESS_LOGGING_CONFIG.clear()
        configuration.setup_logging()
