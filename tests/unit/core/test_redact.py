"""No password in what is said."""

from __future__ import annotations

import json
import sys

import pytest

from ganlib.cli.app import fail, show
from ganlib.core.errors import BadInput, Corrupt, NoSpace
from ganlib.core.events import Remark
from ganlib.core.progress import Lines
from ganlib.core.redact import redacted, without_user

SECRET = "s3cret"


@pytest.mark.parametrize(
    "text",
    [
        f"http://ann:{SECRET}@host:5000/api",
        f"MLflow at https://ann:{SECRET}@host failed",
        f"postgresql+psycopg2://ann:{SECRET}@db/mlflow",
        f"postgresql://ann:{SECRET}@x@db/mlflow",
        f"postgresql://db/mlflow?user=ann&password={SECRET}&sslmode=require",
        f"https://bucket.s3.amazonaws.com/k?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}",
        f"s3://key:{SECRET}@bucket/path",
        f"ssh://ann:{SECRET}@host/remote",
        f'{{"url": "http://ann:{SECRET}@host"}}',
        f"two: http://a:{SECRET}@b and mysql://c:{SECRET}@d/e",
        f"http://:{SECRET}@host",
    ],
)
def test_a_password_in_a_uri_is_hidden_and_the_rest_stays(text: str) -> None:
    hidden = redacted(text)
    assert SECRET not in hidden
    assert hidden.split("***")[0] == text.split(SECRET)[0]
    assert redacted(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    ["http://host:5000/a@b", "models:/gen@champion", "s3://bucket/a:b@c", "at 12:30 me@there", "file:///a:b@c/d"],
)
def test_what_is_no_password_stays(text: str) -> None:
    assert redacted(text) == text


def test_a_link_has_no_user() -> None:
    assert without_user(f"http://ann:{SECRET}@host:5000/x") == "http://host:5000/x"
    assert without_user("http://host/a@b") == "http://host/a@b"


def test_errors_events_and_results_are_cleared(capsys: pytest.CaptureFixture[str]) -> None:
    uri = f"http://ann:{SECRET}@host"
    for error in (BadInput(f"no {uri}"), Corrupt(uri, expected="a", actual="b"), NoSpace(uri, need=1, free=0)):
        assert SECRET not in str(error)
        assert SECRET not in repr(error)
    for as_json in (True, False):
        Lines(sys.stdout, as_json=as_json).event(Remark("stage", {"where": uri}))
        show({"uri": uri}, as_json=as_json, text=lambda: uri)
    with pytest.raises(SystemExit):
        fail(f"at {uri}", 2)
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert said.out.count("http://ann:***@host") == 4
    assert json.loads(said.out.splitlines()[0])["facts"]["where"] == "http://ann:***@host"
