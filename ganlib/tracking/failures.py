"""What MLflow, its artifact store and its database throw, in our words: what it was, and whether waiting helps."""

from __future__ import annotations

import re
from pathlib import Path

from ganlib.core.errors import BadInput, GanlibError, NoSpace, Unavailable
from ganlib.core.files import as_user_error, causes, first_line
from ganlib.core.proxies import through
from ganlib.tracking.database import NEWER, OLDER, knows

_TEMPORARY = {
    "TEMPORARILY_UNAVAILABLE",
    "INTERNAL_ERROR",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    "IO_ERROR",
    # A 404 that is not MLflow's own: a proxy without its server, or another program on the port.
    "ENDPOINT_NOT_FOUND",
    "NOT_FOUND",
}
_AGAIN = "Nothing was decided; try again."
_LATER = "Nothing was decided; run the same command again once that is mended."
# A server passes on in words what its own artifact store or database said.
_NO_BUCKET = re.compile(r"NoSuchBucket|The specified bucket does not exist")
_BUCKET = re.compile(r"(?:s3://|Failed to upload \S+ to )(?P<bucket>[a-z0-9][a-z0-9.-]+)")
_KEYS = re.compile(
    r"AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|InvalidToken|NoCredentials|PartialCredentials|"
    r"Unable to locate credentials|when calling the \w+ operation: Forbidden|\(403\) when calling|ProfileNotFound|"
    r"config profile .* could not be found"
)
_LOGIN = re.compile(r"password authentication failed|no password supplied|Access denied for user|no pg_hba.conf entry")
_NO_DATABASE = re.compile(
    r"(database|role) \"[^\"]*\" does not exist|Unknown database|permission denied for|must be owner of|"
    r"unable to open database file|file is not a database|database disk image is malformed"
)
_OTHER_SCHEMA = re.compile(r"out-of-date database schema \(found version (?P<found>\w+), but expected (?P<head>\w+)")
_UNKNOWN_STEP = re.compile(r"Can't locate revision identified by '(?P<found>\w+)'")


class Absent(BadInput):
    """MLflow answered, and what was asked for does not exist."""


class Refused(BadInput):
    """A service answered, and does not let this user do that: waiting does not help."""


class WrongLogin(Refused):
    """It takes this user name and password for nothing at all: all that is asked of it is refused."""


def translate(error: Exception, uri: str, *places: Path) -> GanlibError | None:
    """Put ``error`` of a talk with the MLflow at ``uri`` in our words; None if it is no failure of that talk.

    ``places`` is where this process writes.
    """
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    where = f"MLflow at {uri}"
    if isinstance(error, GanlibError):
        return error
    talk = isinstance(error, MlflowException | requests.RequestException | sqlalchemy.exc.SQLAlchemyError)
    if not talk and not isinstance(error, OSError | ImportError) and not _of_store(error):
        return None
    text = " | ".join(str(each) for each in causes(error))
    if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST" and not _NO_BUCKET.search(text):
        return Absent(f"MLflow does not have what was asked for: {str(error).splitlines()[0]}")
    if (full := as_user_error(error, *places)) is not None:
        return full if not uri.startswith("http") or not talk or _ours(error) else _theirs(error, full, where)
    if (explanation := _by_words(text, where, uri)) is not None:
        return explanation
    if isinstance(error, ImportError):
        return BadInput(f"{where} needs a package that is not installed: {error}.{_extra(text)}")
    if _of_store(error):
        return _of_artifacts(error, where)
    if isinstance(error, MlflowException):
        return _of_mlflow(error, where)
    if isinstance(error, requests.HTTPError):  # artifacts are fetched without MLflow's own errors
        return _of_http(error, where)
    if isinstance(error, OSError) and not isinstance(error, requests.RequestException | ConnectionError | TimeoutError):
        # a file on this side: waiting does not help
        return BadInput(f"{error.strerror or error}: {error.filename or uri}")
    where += through(uri)
    return Unavailable(f"{where} does not answer ({type(error).__name__}: {_root_cause(error)}). {_AGAIN}")


def _root_cause(error: Exception) -> str:
    """What the innermost error says: of a connection, the outer ones repeat its URL at length."""
    return first_line(list(causes(error))[-1])


def _ours(error: Exception) -> bool:
    """Whether a full or forbidden disk is one of this side: an error of this system, not a server's words."""
    return any(isinstance(each, OSError) and each.errno is not None for each in causes(error))


def _theirs(error: Exception, explanation: BadInput, where: str) -> GanlibError:
    what = "has no space left" if isinstance(explanation, NoSpace) else "cannot write its own files"
    return BadInput(f"{where} {what} ({first_line(error)}). {_LATER}")


def _by_words(text: str, where: str, uri: str) -> GanlibError | None:
    """What only the words of an error tell, whatever its class."""
    if _NO_BUCKET.search(text):
        bucket = _BUCKET.search(text)
        name = f"bucket {bucket['bucket']!r}" if bucket else "bucket of its artifacts"
        return BadInput(f"{where}: the {name} is not there. Create it, or give the experiment another place. {_LATER}")
    if _KEYS.search(text):
        return Refused(
            f"{where}: its artifact store refuses these credentials ({_KEYS.findall(text)[0] or 'refused'}). "
            f"Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, that may write there. {_LATER}"
        )
    if _LOGIN.search(text):
        return WrongLogin(f"{where} refuses this user or password: {_LOGIN.findall(text)[0]}. {_LATER}")
    if match := _OTHER_SCHEMA.search(text) or _UNKNOWN_STEP.search(text):
        return _other_schema(match, where, uri)
    if match := _NO_DATABASE.search(text):
        return BadInput(f"{where} cannot be used: {match[0]}. {_LATER}")
    return None


def _other_schema(match: re.Match[str], where: str, uri: str) -> GanlibError:
    step = match["found"]
    if knows(step):
        return BadInput(f"{where} has the tables of an older MLflow (step {step}). {OLDER.format(uri=uri)}")
    return BadInput(f"{where} has the tables of a newer MLflow (step {step}). {NEWER}")


def _of_mlflow(error: Exception, where: str) -> GanlibError:
    import sqlalchemy.exc

    code, text = getattr(error, "error_code", ""), first_line(error)
    if code in ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED") or "error code 401" in text:
        return _of_login(where)
    if code == "PERMISSION_DENIED" or "error code 403" in text:
        return Refused(f"{where} refused (403): this user may not do that: {text}. {_LATER}")
    if code in _TEMPORARY or isinstance(error.__cause__, sqlalchemy.exc.SQLAlchemyError):
        return Unavailable(f"{where} failed: {text}. {_AGAIN}")
    return GanlibError(f"{where} refused: {text}")


def _of_http(error: Exception, where: str) -> GanlibError:
    response = getattr(error, "response", None)
    code, text = response.status_code if response is not None else 500, first_line(error)
    if code == 404:
        return Absent(f"{where} has no such artifact: {text}")
    if code == 401:
        return _of_login(where)
    if code == 403:
        return Refused(f"{where} refused ({code}): {text}. {_LATER}")
    if code < 500 and code != 429:
        return GanlibError(f"{where} refused: {text}")
    return Unavailable(f"{where} failed: {text}. {_AGAIN}")


def _of_login(where: str) -> WrongLogin:
    return WrongLogin(
        f"{where} does not take this user name and password (401). Set MLFLOW_TRACKING_USERNAME and "
        f"MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN. {_LATER}"
    )


def _of_store(error: Exception) -> bool:
    """Whether a client of an object store threw it."""
    kinds = ("botocore", "boto3", "azure", "google", "urllib3", "s3transfer")
    return any(type(each).__module__.partition(".")[0] in kinds for each in causes(error)) and not hasattr(
        error, "error_code"
    )


def _of_artifacts(error: Exception, where: str) -> GanlibError:
    """An object store's own failure, once refusals are told apart."""
    code, status = "", 0
    for each in causes(error):
        answer = getattr(each, "response", None)
        if isinstance(answer, dict):
            code = str(answer.get("Error", {}).get("Code", ""))
            status = int(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    cause = f"{type(error).__name__}: {first_line(error)}"
    if code in ("NoSuchKey", "404") or status == 404:
        return Absent(f"{where}: its artifact store has no such file ({cause}).")
    if status == 403:
        return Refused(f"{where}: its artifact store refuses these credentials ({cause}). {_LATER}")
    if 400 <= status < 500 and status != 429 and code not in ("SlowDown", "RequestTimeout"):
        return GanlibError(f"{where}: its artifact store refused ({cause}). {_LATER}")
    return Unavailable(f"{where}: its artifact store cannot be reached ({cause}). {_AGAIN}")


def _extra(text: str) -> str:
    return " (pip install 'ganlib[s3]')" if "boto" in text else ""
