"""Prefect's server over its REST interface: which one a project uses, and what it is asked.

ganlib knows no orchestrator, so Prefect's own client is not at hand here; pipelines use that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

from ganlib import config
from ganlib.core import processes
from ganlib.core.errors import Unavailable
from ganlib.core.project import Project

_PAGE = 200  # the most that the server gives at once
_TIMEOUT = (3, 15)  # seconds to connect, seconds until the answer


class PrefectServer(NamedTuple):
    """Where it is, and how it is asked."""

    url: str
    """Of its interface, without a slash at the end: ``http://127.0.0.1:4242/api``."""
    login: str | None = None
    """``user:password``."""

    def ask(self, path: str, query: dict[str, Any]) -> Any:
        """Return what the server answers to ``query`` at ``path``, as in "flow_runs/filter".

        Raises:
            Unavailable: it does not answer, or refuses.
        """
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3 import Retry

        # Its SQLite database answers 503 while it is locked, and its own client tries again.
        again = Retry(3, connect=0, read=0, status_forcelist=(503,), allowed_methods=None, backoff_factor=0.3)
        login = tuple(self.login.split(":", 1)) if self.login and ":" in self.login else None
        try:
            with requests.Session() as session:
                session.mount("http://", HTTPAdapter(max_retries=again))
                session.mount("https://", HTTPAdapter(max_retries=again))
                answer = session.post(f"{self.url}/{path}", json=query, auth=login, timeout=_TIMEOUT)  # type: ignore[arg-type]
            answer.raise_for_status()
            return answer.json()
        except (requests.RequestException, ValueError) as error:
            code = getattr(getattr(error, "response", None), "status_code", None)
            what = f"answers {code}" if code else f"does not answer ({type(error).__name__})"
            raise Unavailable(f"Prefect at {self.url} {what}.") from error

    def rows(self, kind: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Return all rows of ``kind``, such as "task_runs", that ``query`` picks; the server gives 200 at once.

        Raises:
            Unavailable: as :meth:`ask`.
        """
        for offset in count(0, _PAGE):
            page = self.ask(f"{kind}/filter", {**query, "limit": _PAGE, "offset": offset})
            yield from page
            if len(page) < _PAGE:
                return


def server_of(project: Project) -> PrefectServer | None:
    """Return the server that commands of ``project`` would use; None: they would start one of their own."""
    entry = _service(project)
    own = f"{entry['url']}/api" if entry else None
    teams = config.servers(project).prefect
    url = os.environ.get("PREFECT_API_URL") or teams or own
    if url is None:
        return None
    login = os.environ.get("PREFECT_API_AUTH_STRING") or os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
    if url.replace("//localhost:", "//127.0.0.1:") in (own, teams):  # a stranger is not told our password
        with suppress(OSError):
            login = (project.state / "prefect-auth").read_text(encoding="utf-8").strip() or login
    return PrefectServer(url.rstrip("/"), login)


def _service(project: Project) -> dict[str, Any] | None:
    """What `make up` has noted of its Prefect, if that runs."""
    try:
        entry: dict[str, Any] = json.loads((project.state / "services.json").read_text(encoding="utf-8"))["prefect"]
        return entry if project.began(entry) and processes.find(entry) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
