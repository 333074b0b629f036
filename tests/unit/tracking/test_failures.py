"""What others throw, in our words: the cause is named, and only what waiting mends is worth another try."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy.exc
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from mlflow.exceptions import MlflowException

from ganlib.core.errors import BadInput, GanlibError, NoSpace, ReadOnly, Unavailable
from ganlib.tracking.failures import Absent, Refused, WrongLogin, translate

PLACE = Path("/tmp")  # noqa: S108
SERVER, DATABASE = "http://host", "sqlite:///mlflow.db"


def mlflow(message: str, code: str = "INTERNAL_ERROR", cause: BaseException | None = None) -> MlflowException:
    error = MlflowException(message)
    error.error_code = code
    error.__cause__ = cause
    return error


def sql(words: str) -> sqlalchemy.exc.OperationalError:
    return sqlalchemy.exc.OperationalError("SELECT 1", None, Exception(words))


def s3(code: str, status: int, operation: str = "PutObject") -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


def http(status: int, text: str = "why") -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Error: {text}", response=response)


@pytest.mark.parametrize(
    ("error", "uri", "kind", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/part"), DATABASE, NoSpace, "no space at /x/part"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), SERVER, NoSpace, "Disk quota exceeded"),
        (mlflow("copy", cause=OSError(errno.ENOSPC, "No space left on device")), DATABASE, NoSpace, "no space at"),
        (mlflow("(sqlite3.OperationalError) database or disk is full"), DATABASE, NoSpace, "database or disk is full"),
        (sql("database or disk is full"), DATABASE, NoSpace, "no space at"),
        (mlflow("database or disk is full"), SERVER, BadInput, r"http://host has no space left.*disk is full"),
        (sql("attempt to write a readonly database"), DATABASE, ReadOnly, "readonly database"),
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), DATABASE, ReadOnly, "/a/b: Permission denied"),
        (sql("database is locked"), DATABASE, Unavailable, "database is locked"),
        (sql('FATAL:  password authentication failed for user "a"'), "postgresql://h/d", WrongLogin, "this user"),
        (sql('FATAL:  database "d" does not exist'), "postgresql://h/d", BadInput, 'database "d" does not exist'),
        (sql("connection refused"), "postgresql://h/d", Unavailable, "connection refused"),
        (mlflow("out-of-date database schema (found version 5, but expected 6). Take"), DATABASE, BadInput, "newer"),
        (mlflow("x failed with error code 401 != 200. Response body: 'You are not'"), SERVER, WrongLogin, "401"),
        (mlflow("no", "UNAUTHENTICATED"), SERVER, WrongLogin, "MLFLOW_TRACKING_USERNAME"),
        (mlflow("not yours", "PERMISSION_DENIED"), SERVER, Refused, "not yours"),
        (mlflow("gone", "RESOURCE_DOES_NOT_EXIST"), SERVER, Absent, "gone"),
        (mlflow("boom"), SERVER, Unavailable, "boom"),
        (http(401), SERVER, WrongLogin, "401"),
        (http(404), SERVER, Absent, "404"),
        (http(503), SERVER, Unavailable, "503"),
        (http(500, "NoSuchBucket"), SERVER, BadInput, "bucket"),
        (s3("NoSuchBucket", 404), DATABASE, BadInput, "bucket of its artifacts' is not there|bucket"),
        (s3("AccessDenied", 403), DATABASE, Refused, "AccessDenied"),
        (s3("InvalidAccessKeyId", 403), DATABASE, Refused, "AWS_ACCESS_KEY_ID"),
        (s3("403", 403, "HeadObject"), DATABASE, Refused, "refuses these credentials"),
        (s3("404", 404, "HeadObject"), DATABASE, Absent, "no such file"),
        (s3("SlowDown", 503), DATABASE, Unavailable, "SlowDown"),
        (EndpointConnectionError(endpoint_url="http://s3"), DATABASE, Unavailable, "http://s3"),
        (NoCredentialsError(), DATABASE, Refused, "AWS_ACCESS_KEY_ID"),
        (ModuleNotFoundError("No module named 'boto3'"), DATABASE, BadInput, r"ganlib\[s3\]"),
        (requests.ConnectionError("x"), SERVER, Unavailable, "does not answer"),
    ],
)  # fmt: skip
def test_each_failure_is_told_by_its_cause(error: Any, uri: str, kind: type[GanlibError], said: str) -> None:
    with pytest.raises(GanlibError, match=said) as told:
        raise translate(error, uri, PLACE) or AssertionError("not translated")
    assert type(told.value) is kind
    assert "\n" not in str(told.value)


def test_what_is_no_failure_of_the_talk_stays_a_bug() -> None:
    assert translate(KeyError("x"), SERVER, PLACE) is None
