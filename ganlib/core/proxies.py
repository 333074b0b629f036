"""Proxies of the environment: never for this machine itself, and named when they are in the way."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def spare_loopback() -> None:
    """Where a proxy is set, have this process and its children ask it for nothing on this machine.

    Every library reads NO_PROXY in one spelling or the other, so both hold what either held, and loopback.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in _PROXIES):
        return
    listed_hosts = [host.strip() for name in ("no_proxy", "NO_PROXY") for host in os.environ.get(name, "").split(",")]
    hosts = dict.fromkeys(host for host in [*listed_hosts, *LOOPBACK] if host)
    value = "*" if "*" in hosts else ",".join(hosts)
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = value


def through(url: str) -> str:
    """`` through the proxy HOST`` where one is asked for ``url``, to follow its name in a message; else empty."""
    import requests.utils

    proxy = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not proxy or not url.startswith("http"):
        return ""
    # What stands before the @ may be a password.
    return f" through the proxy {urlsplit(proxy if '://' in proxy else f'//{proxy}').netloc.rpartition('@')[2]}"
