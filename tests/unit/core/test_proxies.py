"""Where a proxy is set, loopback is spared, and nothing else changes."""

from __future__ import annotations

import urllib.request

import httpx
import pytest
import requests.utils

from ganlib.cli.app import set_environment_defaults
from ganlib.core.proxies import through

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
OURS = ["http://127.0.0.1:5050/health", "http://localhost:4242/api", "http://[::1]:8050/"]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        for spelling in (name, name.upper()):
            monkeypatch.setenv(spelling, "")  # so that it is taken back even where it is set below
            monkeypatch.delenv(spelling)


def _by_httpx(url: str) -> bool:
    """Whether httpx would ask a proxy for ``url``."""
    client = httpx.Client()
    return client._transport_for_url(httpx.URL(url)) is not client._transport  # noqa: SLF001  (httpx tells in no other way)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "given",
    [{}, {"no_proxy": "a.example"}, {"NO_PROXY": "a.example, b.example"}, {"no_proxy": "", "NO_PROXY": "a.example"}],
)
def test_loopback_is_spared_by_every_library_and_what_the_user_spared_stays(
    monkeypatch: pytest.MonkeyPatch, name: str, given: dict[str, str]
) -> None:
    for key, value in {name: "http://proxy.example:3128", **given}.items():
        monkeypatch.setenv(key, value)
    set_environment_defaults()
    set_environment_defaults()  # as a child does
    for url in OURS:
        assert through(url) == ""
        assert not _by_httpx(url)
        assert urllib.request.proxy_bypass(httpx.URL(url).host)
    assert through("http://mlflow.example/") == " through the proxy proxy.example:3128"
    assert _by_httpx("http://mlflow.example/")
    assert bool(through("http://a.example/")) == (not given)
    assert requests.utils.getproxies()["no"].count("127.0.0.1") == 1


def test_nothing_is_set_where_there_is_no_proxy_and_a_star_stays_a_star(monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment_defaults()
    assert "no" not in urllib.request.getproxies()
    monkeypatch.setenv("https_proxy", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "*")
    set_environment_defaults()
    assert urllib.request.getproxies()["no"] == "*"
    assert through("https://mlflow.example/") == ""
