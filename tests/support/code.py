"""``python -m tests.support.code CODE WORDS...``: what ``python -c`` is, as a module, which a fork can run."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.argv[0]
    sys.path.insert(0, "")
    exec(compile(sys.argv[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102  (as its name says)
