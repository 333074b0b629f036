"""A folder in a store that fsspec knows, such as ``s3://bucket/folder``: its objects, and its errors in words.

Objects appear whole: an upload that dies leaves nothing that can be seen.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.files import first_line

_LOGIN_ERRORS = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "ParamValidationError"}
_PROBE = ".ganlib-probe"
_CLIENTS = {"botocore", "aiobotocore", "aiohttp"}


class ObjectStore:
    """A folder in a store behind a URL. ``str`` of it is the URL; names are relative to it, with ``/`` inside."""

    def __init__(self, url: str) -> None:
        """Nothing is asked of the store yet.

        Raises:
            BadInput: no such kind of store, or its client is not installed.
        """
        import fsspec

        scheme, _, place = url.partition("://")
        if not place.strip("/"):
            raise BadInput(f"{url} names no bucket.")
        self.url = url.rstrip("/")
        try:
            kind = fsspec.get_filesystem_class(scheme)
            _require_url_enough(kind, scheme)
            # Nothing is cached: what others did to the store since is what we want to see.
            self.client: Any = kind(use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            extra = " (pip install 'ganlib[s3]')" if self.url.startswith("s3:") else ""
            raise BadInput(f"{url} needs a package that is not installed{extra}: {error}.") from error
        except ValueError as error:
            raise BadInput(f"{url}: {error}.") from error
        self.root: str = kind._strip_protocol(self.url)  # noqa: SLF001  (fsspec's, which its own documentation has stores override)

    def __str__(self) -> str:
        """Its URL."""
        return self.url

    @property
    def no_bucket(self) -> BadInput:
        """What to raise where its bucket is not there."""
        bucket = self.root.partition("/")[0]
        return BadInput(f"there is no bucket {bucket!r} for {self}; nothing was changed. Create it, or name another.")

    def at(self, name: str) -> str:
        """Return how the client calls ``name``."""
        return f"{self.root}/{name.rstrip('/')}"

    def exists(self, name: str) -> bool:
        """Return whether there is an object, or a folder, ``name``."""
        with self.reading():
            return bool(self.client.exists(self.at(name)))

    def read(self, name: str) -> bytes:
        """Return the bytes of ``name``. Raises :class:`FileNotFoundError` where there is none."""
        with self.reading():
            data: bytes = self.client.cat_file(self.at(name))
            return data

    def write(self, name: str, data: bytes) -> None:
        """Put ``data`` at ``name``, over what is there."""
        with self.explained():
            self.client.pipe_file(self.at(name), data)

    def create(self, name: str, data: bytes) -> None:
        """Put ``data`` at ``name``. Raises :class:`FileExistsError` where something is."""
        with self.explained():
            self.client.pipe_file(self.at(name), data, mode="create")

    def require_writable(self) -> None:
        """Write an object and remove it again.

        Raises:
            BadInput: there is no bucket, or the credentials do not allow both.
            Unavailable: the store does not answer.
        """
        with self.explained():
            try:
                self.client.pipe_file(self.at(_PROBE), b"")
                self.client.rm_file(self.at(_PROBE))
            except FileNotFoundError:
                raise self.no_bucket from None
            except PermissionError as error:
                raise BadInput(
                    f"these credentials may not put and delete objects in {self} ({first_line(error)}). Nothing was "
                    "changed; give them the right to, or set another place."
                ) from error

    def reading(self) -> AbstractContextManager[None]:
        """As :meth:`explained`, but what is not there stays :class:`FileNotFoundError`."""
        return self._in_words_but(FileNotFoundError)

    def explained(self) -> AbstractContextManager[None]:
        """Turn failures inside into our errors, but for :class:`FileExistsError`."""
        return self._in_words_but(FileExistsError)

    @contextmanager
    def _in_words_but(self, kind: type[OSError]) -> Iterator[None]:
        try:
            yield
        except kind:
            raise
        except Exception as error:
            raise self.in_words(error) from error

    def in_words(self, error: Exception) -> Exception:
        """Return ``error`` of the store as one of ours; another as it is."""
        kind, text = type(error).__name__, " ".join(str(error).split()).rstrip(".") or type(error).__name__
        advice = "What is already there was kept; run the same command again once that is mended."
        if isinstance(error, GanlibError):
            return error
        if isinstance(error, PermissionError) or kind in _LOGIN_ERRORS:
            return BadInput(f"{self} refuses these credentials ({text}). {advice}")
        if isinstance(error, FileNotFoundError):
            return BadInput(f"{self} is not there any more ({text}). {advice}")
        if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _CLIENTS:
            return Unavailable(f"{self} cannot be reached ({text}). {advice}")
        return error


def _require_url_enough(kind: type, scheme: str) -> None:
    """Raise :class:`ValueError` for a kind of store that wants a host, a user or a token besides."""
    settings = [
        name
        for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]  # type: ignore[misc]
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    if settings:
        raise ValueError(f"{scheme}:// is no kind of store that this works with; s3:// is")
