"""A message as its receivers check it: by the published example of Standard Webhooks."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.core.errors import BadInput
from ganlib.registry import notice

_PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_the_signature_is_that_of_the_published_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notice.SECRET, _PUBLISHED)
    fields = notice.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', notice.key())
    assert fields["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_comes_from_a_file_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = notice.new_secret()
    (tmp_path / "secret").write_text(f"{secret}\n")
    monkeypatch.delenv(notice.SECRET, raising=False)
    monkeypatch.setenv(f"{notice.SECRET}_FILE", str(tmp_path / "secret"))
    from_file = notice.key()
    monkeypatch.setenv(notice.SECRET, secret)
    assert from_file == notice.key()
    assert len(from_file) == 32


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "no base64!"])
def test_what_is_no_secret_signs_nothing(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(notice.SECRET, secret)
    monkeypatch.delenv(f"{notice.SECRET}_FILE", raising=False)
    with pytest.raises(BadInput, match="Nothing was sent") as caught:
        notice.key()
    assert not secret or secret not in str(caught.value)
