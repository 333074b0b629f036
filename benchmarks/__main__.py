"""`make bench`: all benchmarks; `python -m benchmarks NAME [OPTIONS]`: one."""

from __future__ import annotations

import sys

from benchmarks import generation, quota, startup, training
from ganlib.cli.app import set_environment_defaults


def main() -> int:
    """Run them; 1 if a limit that one of them holds to is missed."""
    set_environment_defaults()
    modules = {"startup": startup, "training": training, "generation": generation}
    if sys.argv[1:]:
        name, *words = sys.argv[1:]
        return (modules | {"quota": quota})[name].main(words)  # which needs root
    return max([module.main([]) for module in modules.values()])


sys.exit(main())
