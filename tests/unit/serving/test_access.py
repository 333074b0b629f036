"""Who may ask: names, pages of other origins, and a path of a proxy's above all ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import requests
from pydantic import ValidationError

from ganlib.cli.app import perhaps_project
from ganlib.config import ServeConfig
from ganlib.core.errors import BadInput
from ganlib.serving.access import is_loopback
from tests.unit.serving.running import Files, Running, running

PAGE = "https://draw.example"


@pytest.fixture(scope="module")
def granting(small_graphs: dict[str, Path]) -> Iterator[Running]:
    """A server that one other page may use, and that has a name."""
    limits = {"allowed_origins": [PAGE], "allowed_hosts": ["digits.example", "*.inside.example"]}
    with running(Files(plain=small_graphs["plain"]), **limits) as made:
        yield made


def ask(server: Running, method: str = "GET", path: str = "/v1/images", **headers: str) -> requests.Response:
    """One request; an underscore in a header's name is a dash."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(
        method, server.url + path, headers=named, data="{}" if method == "POST" else None, timeout=60
    )


JSON = {"content_type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec_fetch_site": "same-origin", "origin": "http://other.example"}, 200),
        ({"sec_fetch_site": "none"}, 200),
        ({"origin": "http://localhost:1", "host": "localhost:1"}, 200),
        ({"sec_fetch_site": "cross-site", "origin": PAGE}, 403),
        ({"sec_fetch_site": "same-site", "origin": "http://localhost:3000"}, 403),
        ({"origin": PAGE}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
    ],
)
def test_a_post_that_the_page_of_another_site_sends_is_refused(
    server: Running, headers: Mapping[str, str], status: int
) -> None:
    for kind in ("application/json", "text/plain"):
        answer = ask(server, "POST", content_type=kind, **headers)
        assert answer.status_code == (422 if status == 200 and kind == "text/plain" else status), answer.text
        assert not {name for name in answer.headers if name.lower().startswith("access-control")}
        if status == 403:
            assert "may not use this server; serve.allowed_origins lists those that may." in answer.json()["error"]


def test_without_origins_no_page_of_another_may_read_anything(server: Running) -> None:
    preflight = ask(server, "OPTIONS", origin=PAGE, access_control_request_method="POST")
    for answer in (preflight, ask(server, origin=PAGE)):
        assert not {name for name in answer.headers if name.lower().startswith("access-control")}
    assert preflight.status_code == 405


def test_a_page_that_is_listed_may_ask_and_read_and_no_other(granting: Running) -> None:
    preflight = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}
    allowed = ask(granting, "OPTIONS", origin=PAGE, **preflight)
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == PAGE
    assert {"GET", "HEAD", "POST"} == set(allowed.headers["Access-Control-Allow-Methods"].split(", "))
    for method in ("GET", "HEAD", "POST"):
        answer = ask(granting, method, origin=PAGE, sec_fetch_site="cross-site", **JSON)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "X-Ganlib-Model-Sha256" in answer.headers["Access-Control-Expose-Headers"]
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    for problem in (ask(granting, origin=PAGE, path="/v1/images?count=0"), ask(granting, path="/nothing", origin=PAGE)):
        assert problem.headers["Access-Control-Allow-Origin"] == PAGE
    large = requests.post(f"{granting.url}/v1/images", data=b"x" * 65537, headers={"Origin": PAGE}, timeout=60)
    assert (large.status_code, large.headers["Access-Control-Allow-Origin"]) == (413, PAGE)
    for other in (f"{PAGE}.evil.example", "http://draw.example", f"{PAGE}:8443", "null"):
        refused = ask(granting, "OPTIONS", origin=other, **preflight)
        assert (refused.status_code, list(refused.json())) == (400, ["error"])
        for answer in (refused, ask(granting, origin=other), ask(granting, "POST", origin=other, **JSON)):
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert ask(granting, "POST", origin=other, **JSON).status_code == 403


def test_a_star_is_every_page(small_graphs: dict[str, Path]) -> None:
    with running(Files(plain=small_graphs["plain"]), allowed_origins=["*"]) as server:
        for method in ("GET", "POST"):
            answer = ask(server, method, origin="https://any.example", sec_fetch_site="cross-site", **JSON)
            assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")


@pytest.mark.parametrize(
    ("host", "by_default", "granted"),
    [
        ("127.0.0.1", True, True),
        ("localhost:8050", True, True),
        ("[::1]:8050", True, True),
        ("192.168.1.7:80", True, True),
        ("a.localhost", True, True),
        ("ganlib:8050", True, False),  # such as a proxy's name for us
        ("digits.example", False, True),
        ("DIGITS.example:443", False, True),
        ("digits.example.", False, True),
        ("a.inside.example", False, True),
        ("inside.example", False, False),
        ("evil.example", False, False),
        ("digits.example.evil.example", False, False),
        ("127.0.0.1.evil.example", False, False),
        ("[::1", False, False),
    ],
)
def test_a_name_that_is_not_ours_is_refused(
    server: Running, granting: Running, host: str, by_default: bool, granted: bool
) -> None:
    for asked, allowed in ((server, by_default), (granting, granted)):
        answer = ask(asked, path="/v1/models", host=host)
        assert answer.status_code == (200 if allowed else 403)
        assert allowed or repr(host) in answer.json()["error"]


def test_a_server_for_more_than_loopback_goes_by_any_name_until_some_are_listed(small_graphs: dict[str, Path]) -> None:
    source = Files(plain=small_graphs["plain"])
    with running(source, host="here.example") as server:
        assert ask(server, path="/health", host="any.example").status_code == 200
    with running(source, host="here.example", allowed_hosts=["digits.example"]) as server:
        assert ask(server, path="/health", host="any.example").status_code == 403
        assert ask(server, path="/health", host="digits.example").status_code == 200
    assert all(is_loopback(host) for host in ("localhost", "::1", "127.9.9.9"))
    assert not any(is_loopback(host) for host in ("::", "192.168.1.7", "here.example"))


def test_a_proxy_s_word_for_who_asks_and_how_changes_nothing(server: Running) -> None:
    plain = ask(server, path="/v1/models").json()
    told = ask(
        server, path="/v1/models", x_forwarded_host="evil.example", x_forwarded_proto="https",
        x_forwarded_for="10.0.0.1", x_forwarded_prefix="/evil", forwarded="host=evil.example",
    )  # fmt: skip
    assert told.json() == plain
    assert "evil" not in ask(server, path="/docs", x_forwarded_prefix="/evil").text


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_the_other_loopbacks_work_too(small_graphs: dict[str, Path], host: str) -> None:
    with running(Files(plain=small_graphs["plain"]), host=host) as server:
        assert re.fullmatch(r"http://(\[::1\]|127\.0\.0\.1):\d+", server.url)
        assert server.get("/v1/images").ok
        assert server.post("/v1/images").ok


@pytest.mark.parametrize(
    "setting",
    [
        {"root_path": "gan"},
        {"root_path": "/gan/"},
        {"root_path": "/a b"},
        {"allowed_hosts": ["digits.example:80"]},
        {"allowed_hosts": ["a*.example"]},
        {"allowed_hosts": ["https://digits.example"]},
        {"allowed_origins": ["draw.example"]},
        {"allowed_origins": ["https://draw.example/"]},
        {"allowed_origins": ["https://*.example"]},
        {"allowed_origins": ["null"]},
    ],
)
def test_a_setting_that_could_never_match_is_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ServeConfig.model_validate(setting)


def test_a_wrong_setting_beside_a_bare_file_is_not_silently_left_out(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(checkout)
    with pytest.raises(BadInput, match=r"serve\.allowed_origins\.0"):
        perhaps_project("generator.onnx", ["serve.allowed_origins=[draw.example]"])


@pytest.mark.parametrize("taken_off", [True, False], ids=["the proxy takes the path off", "the proxy leaves it"])
def test_below_a_path_everything_is_where_its_links_say(small_graphs: dict[str, Path], taken_off: bool) -> None:
    with running(Files(plain=small_graphs["plain"]), root_path="/gan") as server:
        assert '<base href="/gan/">' in server.get("/").text
        inner = "" if taken_off else "/gan"
        for path in (
            "/",
            "/docs",
            "/static/page.js",
            "/static/detect.js",
            "/static/page.css",
            "/openapi.json",
            "/v1/models",
            "/health",
        ):
            assert server.get(inner + path).status_code == 200, path
        assert server.get(inner + "/openapi.json").json()["servers"] == [{"url": "/gan"}]
        for page in ("/", "/docs"):
            links = re.findall(r"(?:src|href)=['\"]?([^'\" >]+)", server.get(inner + page).text)
            assert links
            assert {link for link in links if link.startswith("/")} == ({"/gan/"} if page == "/" else set())
        for script in ("page", "detect"):
            assert not re.findall(r"[\"'`]/", server.get(f"/static/{script}.js").text)
        assert server.get(inner + "/v1/images").ok
        assert 'ganlib_requests_total{method="GET",route="/v1/images",status="200"} 1.0' in server.get("/metrics").text
        assert server.get("/gander/v1/models").status_code == 404
        moved = requests.get(f"{server.url}/gan", allow_redirects=False, timeout=60)
        assert (moved.status_code, moved.headers["Location"]) == (307, "/gan/")
