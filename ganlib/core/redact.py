"""Passwords in URIs are for the services that ask for them: nothing that people or programs read shows one."""

from __future__ import annotations

import re

HIDDEN = "***"

# The last @ before the path ends the password, which may hold some itself.
_USER = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s/?#:@'\"]*):(?P<password>[^\s/?#'\"]*)@")
# postgresql://host/db?password=..., signed links of object stores.
_QUERY = re.compile(
    r"(?P<name>[?&](?:password|passwd|pwd|sslpassword|token|access_token|secret|X-Amz-Signature|"
    r"X-Amz-Credential|X-Amz-Security-Token|Signature|sig)=)[^&\s'\")]+",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Return ``text`` with ``***`` in place of each password and key that stands in a URI in it."""
    text = _USER.sub(lambda match: f"{match['scheme']}{match['user']}:{HIDDEN}@", text)
    return _QUERY.sub(lambda match: f"{match['name']}{HIDDEN}", text)


def without_user(uri: str) -> str:
    """Return ``uri`` without user and password: a link for a browser, which asks for them."""
    scheme, mark, rest = redacted(uri).partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{mark}{place.rpartition('@')[2]}{slash}{path}" if mark else scheme
