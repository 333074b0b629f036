"""The errors of a store behind a URL, in words."""

from __future__ import annotations

import errno

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError

from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.object_store import ObjectStore


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (PermissionError("Access Denied."), BadInput, r"refuses these credentials \(Access Denied\)\. What is"),
        (NoCredentialsError(), BadInput, "refuses these credentials"),
        (FileNotFoundError("a"), BadInput, "is not there any more"),
        (EndpointConnectionError(endpoint_url="http://a"), Unavailable, "cannot be reached"),
        (OSError(errno.EBUSY, "Please reduce your request rate."), Unavailable, "cannot be reached"),
    ],
)
def test_an_error_of_the_store_is_one_of_ours(error: Exception, kind: type[GanlibError], words: str) -> None:
    store = ObjectStore("memory://bucket/in/")
    with pytest.raises(kind, match=f"^memory://bucket/in {words}"), store.explained():
        raise error


def test_what_is_no_error_of_the_store_stays_as_it_is() -> None:
    store = ObjectStore("memory://bucket/in")
    with pytest.raises(ZeroDivisionError), store.explained():
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), store.reading():
        raise FileNotFoundError
    with pytest.raises(FileExistsError), store.explained():
        raise FileExistsError
