"""Downloads over HTTP that go on where they were interrupted, also by the end of the process."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.core.progress import Report, silent
from ganlib.core.proxies import through
from ganlib.data.sources.failure import SourceFailure

if TYPE_CHECKING:
    import requests  # a fifth of a second, which commands that download nothing need not wait for

_CHUNK = 4096  # bytes; what is left of a chunk when the connection breaks is lost
_ATTEMPTS = 3
_TIMEOUT = (5, 30)  # seconds to connect, seconds without a byte


def download(url: str, path: Path, *, largest: int, report: Report = silent, stage: str = "download") -> bytes:
    """The body of ``url``; ``path`` holds what has arrived so far and is left there for the caller to delete.

    Args:
        url: http or https.
        path: bytes of an earlier, interrupted call are kept and asked for no more.
        largest: refuse a body of more bytes.
        report: told of bytes done and in all.
        stage: what to call it.

    Raises:
        SourceFailure: no connection, an HTTP error, or a body too large, or incomplete after three tries.
    """
    import requests

    path.parent.mkdir(parents=True, exist_ok=True)
    reason = ""
    for _ in range(_ATTEMPTS):
        before = path.stat().st_size if path.exists() else 0
        try:
            if _continue(url, path, largest, report, stage):
                return path.read_bytes()
            reason = "the connection ended early"
        except requests.RequestException as error:
            reason = _reason(error) + through(url)
        if (path.stat().st_size if path.exists() else 0) <= before:
            break  # no progress: the next source is more likely to help than another try
    raise SourceFailure(reason)


def _continue(url: str, path: Path, largest: int, report: Report, stage: str) -> bool:
    """Append to ``path`` what it lacks; true if it is now complete."""
    import requests

    have = path.stat().st_size if path.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            # Either all of it is here, or it is another file by now: the caller's digest tells.
            return have > 0 and answer.headers.get("Content-Range", "").endswith(f"/{have}")
        answer.raise_for_status()
        start, total = _extent(answer, have)
        if total > largest:
            raise SourceFailure(f"{url} has {total:,} bytes, more than the {largest:,} expected")
        with path.open("r+b" if path.exists() else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            for chunk in answer.iter_content(_CHUNK):
                stream.write(chunk)
                if stream.tell() > largest:
                    raise SourceFailure(f"{url} has more than the {largest:,} bytes expected")
                report.advance(stage, stream.tell(), max(total, stream.tell()))
            return stream.tell() >= total


def _extent(answer: requests.Response, have: int) -> tuple[int, int]:
    """Where the body that follows starts, and the whole file's size (0 if the server does not say)."""
    if answer.status_code == 206:  # partial content
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if match and int(match[1]) == have:
            return have, int(match[2])
        raise SourceFailure("the server answered with another range than asked for")
    return 0, int(answer.headers.get("Content-Length", 0))


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    return f"{type(error).__name__}: {_innermost(error)}"


def _innermost(error: BaseException) -> str:
    while error.__context__ is not None:
        error = error.__context__
    return str(error)
