"""A ledger entry as a webhook hears of it, in the form and with the signature of https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganlib.core.errors import BadInput
from ganlib.core.files import json_bytes
from ganlib.registry.entries import LedgerEntry

SECRET = "GANLIB_WEBHOOK_SECRET"  # noqa: S105  (the name of a variable)
_PREFIX = "whsec_"
_LEAST_BYTES = 24
_TIMEOUT = (5, 15)  # seconds to connect, seconds until the answer


def new_secret() -> str:
    """Return a secret of 32 random bytes, as the receivers' libraries take it."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key() -> bytes:
    """Return the bytes of the secret: of the variable :data:`SECRET`, or of the file that SECRET_FILE names.

    Raises:
        BadInput: there is none, or it is no such secret.
    """
    text, file = os.environ.get(SECRET, ""), os.environ.get(f"{SECRET}_FILE", "")
    if file and not text:
        try:
            text = Path(file).read_text(encoding="utf-8")
        except OSError as error:
            raise BadInput(f"cannot read the webhook's secret in {file}: {error.strerror}.") from error
    if not text:
        raise BadInput(
            f"services.webhook is set, and there is no secret to sign with. Make one (ganlib notify --new-secret), "
            f"give it to the receiver, and export {SECRET}=..., or {SECRET}_FILE=FILE. Nothing was sent."
        )
    try:
        bits = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        bits = b""
    if len(bits) < _LEAST_BYTES:
        raise BadInput(
            f"{SECRET} is no secret of at least {_LEAST_BYTES} bytes in base64 (ganlib notify --new-secret makes one). "
            "Nothing was sent."
        )
    return bits


def body(model: str, entry: LedgerEntry) -> bytes:
    """Return the JSON that is sent of ``entry``: its type, its time, and what it says."""
    data: dict[str, Any] = {"model": model, **entry.model_dump(mode="json", exclude={"policy", "lock", "voids"})}
    return json_bytes({"type": f"ledger.{entry.kind}", "timestamp": entry.time, "data": data})


def headers(identity: str, seconds: int, content: bytes, secret: bytes) -> Mapping[str, str]:
    """Return the headers by which a receiver knows the sender, and a message that came twice.

    Args:
        identity: of the message, the entry's sha256: the same however often it is sent.
        seconds: since 1970, now.
        content: the body.
        secret: of :func:`key`.
    """
    mac = hmac.new(secret, f"{identity}.{seconds}.".encode() + content, hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def post(url: str, content: bytes, fields: Mapping[str, str]) -> str | None:
    """Send ``content``; return why it did not arrive, or None if it did (an answer of 2xx; no redirect is followed)."""
    import requests

    try:
        answer = requests.post(url, data=content, headers=dict(fields), timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        return type(error).__name__  # its text would show the URL, which may hold a key
    return None if answer.ok and not answer.is_redirect else f"HTTP {answer.status_code}"
