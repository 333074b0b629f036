"""What people are told, and a webhook that is told it, in the form of https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from ganlib.core.errors import BadInput
from ganlib.core.files import json_bytes, sha256_bytes
from ganlib.core.record import Record
from ganlib.registry.entries import Kind, LedgerEntry

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


class Message(Record):
    """Something that people are told: once, however often it is sent under its id."""

    id: str
    type: str
    """As in "ledger.promoted"."""
    time: str
    """When it came about: UTC, ISO 8601."""
    data: dict[str, Any]
    subject: str
    """For people, in one line."""
    text: str
    """For people: why, who, and where to look."""

    def body(self) -> bytes:
        """Return the JSON that a webhook gets: type, time and data."""
        return json_bytes({"type": self.type, "timestamp": self.time, "data": self.data})


class Receiver(Protocol):
    """Somebody who is told."""

    @property
    def name(self) -> str:
        """What people call it; without a secret."""

    @property
    def key(self) -> str:
        """Under which is kept what it has heard."""

    def send(self, message: Message) -> str | None:
        """Return why ``message`` did not arrive; None: it did."""


def receiver_key(address: str) -> str:
    """Return under what is kept what the receiver at ``address`` has heard: a digest, as a URL may hold a key."""
    return sha256_bytes(address.encode())[:16]


class Webhook:
    """A URL that gets signed JSON."""

    def __init__(self, url: str) -> None:
        """Raise :class:`BadInput` if there is no secret to sign with."""
        self._url, self._secret = url, key()

    @property
    def name(self) -> str:
        """Its host: the rest of the URL may hold a key."""
        return urlsplit(self._url).hostname or self._url

    @property
    def key(self) -> str:
        """See :class:`Receiver`."""
        return receiver_key(self._url)

    def send(self, message: Message) -> str | None:
        """See :class:`Receiver`."""
        content = message.body()
        return post(self._url, content, headers(message.id, int(time.time()), content, self._secret))


def of_entry(model: str, entry: LedgerEntry) -> Message:
    """Return what is told of ``entry``, a decision about a version of ``model``."""
    data = {"model": model, **entry.model_dump(mode="json", exclude={"policy", "lock", "voids"})}
    subject = f"{model}: {_words(entry)}"
    text = f"{entry.reason}\n{entry.who}, entry {entry.seq} of the ledger, {entry.time}"
    return Message(id=entry.sha256, type=f"ledger.{entry.kind}", time=entry.time, data=data, subject=subject, text=text)


def _words(entry: LedgerEntry) -> str:
    """What became of the champion."""
    before, after = entry.from_version or "none", entry.to_version or "none"
    words: dict[Kind, str] = {
        "promoted": f"version {after} is champion in place of {before}",
        "refused": f"version {after} is refused; the champion is {before}",
        "rolled-back": f"version {after} is champion again in place of {before}",
        "external": f"a person has moved the champion from {before} to {after}",
        "awaiting": f"version {after} has passed the gate and awaits approval; the champion is {before}",
        "declined": f"a person does not approve version {after}; the champion is {before}",
        "accepted": f"version {after}, which no gate has passed, is champion in place of {before}, as the policy says",
        "voided": "somebody has written into the ledger what no decision bears out; nothing is carried out",
    }
    return words[entry.kind]


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
