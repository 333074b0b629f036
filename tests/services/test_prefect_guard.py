"""Who may talk to Prefect's server: a page of another origin may not, in a real Chromium and by hand."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.services import project as projects

pytestmark = [pytest.mark.services, pytest.mark.slow]

EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def url(serve: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> str:
    return projects.prefect_server(serve, projects.bare(tmp_path_factory.mktemp("guard") / "project"))


def post(url: str, **headers: str) -> requests.Response:
    """What starts a flow is a POST such as this one."""
    return projects.prefect_answer(url, "POST", "flows/", data='{"name": "by a page"}', headers=headers)


def flows(url: str) -> list[str]:
    return [flow["name"] for flow in projects.ask_prefect(url, "POST", "flows/filter", {})]


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("origin", [EVIL, "null", "http://127.0.0.1:1", "http://localhost.evil.example"])
def test_a_post_of_another_origin_is_refused_whatever_it_calls_its_content(url: str, origin: str, kind: str) -> None:
    answer = post(url, Origin=origin, **{"Content-Type": kind})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert flows(url) == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_browser_that_names_no_origin_is_refused_if_it_says_that_another_site_asks(url: str, site: str) -> None:
    assert post(url, **JSON, **{"Sec-Fetch-Site": site}).status_code == 403
    assert requests.get(f"{url}/", headers={"Sec-Fetch-Site": site}, timeout=30).ok, "a link that somebody follows"


def test_a_preflight_and_a_read_of_another_origin_get_no_permission(url: str) -> None:
    asks = {"Origin": EVIL, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    for answer in (
        requests.options(f"{url}/api/flows/", headers=asks, timeout=30),
        requests.get(f"{url}/api/health", headers={"Origin": EVIL}, timeout=30),
    ):
        assert answer.status_code == 403
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4242", "127.0.0.1.evil.example", ""])
@pytest.mark.parametrize("path", ["/", "/api/health", "/api/admin/version"])
def test_a_name_that_was_made_to_point_here_is_refused(url: str, host: str, path: str) -> None:
    assert requests.get(f"{url}{path}", headers={"Host": host}, timeout=30).status_code == 400


def test_its_own_pages_and_programs_are_served(url: str) -> None:
    port = url.rpartition(":")[2]
    for origin in (url, f"http://localhost:{port}"):
        answer = projects.prefect_answer(url, "POST", "flows/filter", json={}, headers={"Origin": origin})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, origin)
    assert requests.get(f"http://localhost:{port}/api/health", timeout=30).json() is True
    assert post(url, **JSON, **{"Sec-Fetch-Site": "same-origin", "Origin": url}).ok
    target = flows(url)
    assert target == ["by a page"]
    found = projects.ask_prefect(url, "GET", "flows/name/by%20a%20page")
    projects.ask_prefect(url, "DELETE", f"flows/{found['id']}")


def test_events_come_by_websocket_from_programs_and_its_own_pages_only(url: str) -> None:
    socket = f"{url.replace('http', 'ws')}/api/events/in"
    for origin in (None, url):
        with connect(socket, origin=origin, subprotocols=["prefect"]) as opened:  # type: ignore[list-item, arg-type]
            opened.send(json.dumps({"type": "auth", "token": None}))
            assert json.loads(opened.recv(timeout=60)) == {"type": "auth_success"}
    for refused in ({"origin": EVIL}, {"additional_headers": {"Sec-Fetch-Site": "cross-site"}}):
        with pytest.raises(InvalidStatus, match="403"), connect(socket, **refused):  # type: ignore[arg-type]
            pass


PAGE = """<script>
const done = [];
const send = (path, how) =>
  fetch("URL/api/" + path, how).then(a => a.type + a.status, e => "blocked").then(d => done.push(d));
Promise.all([
  send("flows/", {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"name": "evil"}'}),
  send("flows/", {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: '{"name": "evil"}'}),
  send("flows/", {method: "POST", mode: "no-cors", body: new Blob(['{"name": "evil"}'])}),
  send("health", {}),
  new Promise(end => { const s = new WebSocket("WS/api/events/out"); s.onopen = () => { done.push("open"); end(); };
                       s.onerror = () => end(); }),
]).then(() => document.title = done.join());
</script>"""


@pytest.fixture
def other_site(url: str) -> Iterator[str]:
    """A site of another origin, whose page tries what a page can."""
    page = PAGE.replace("URL", url).replace("WS", url.replace("http", "ws")).encode()

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *words: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://localhost:{site.server_port}"
        site.shutdown()


def test_a_page_of_another_origin_gets_nowhere_in_a_real_browser(browser: Any, url: str, other_site: str) -> None:
    page = browser.new_page()
    page.goto(other_site)
    page.wait_for_function("document.title", timeout=120_000)
    assert sorted(page.title().split(",")) == ["blocked", "blocked", "opaque0", "opaque0"], "and no socket opened"
    assert "evil" not in flows(url)


def test_prefects_page_works_in_a_real_browser(browser: Any, url: str) -> None:
    page = browser.new_page()
    asked: list[tuple[int, str]] = []
    page.on("response", lambda answer: asked.append((answer.status, answer.url)))
    hosts: set[str | None] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    words: list[str] = []
    page.on("console", lambda message: words.append(message.text))
    for place in (f"{url}/deployments", f"{url.replace('127.0.0.1', 'localhost')}/v2/deployments"):
        page.goto(place)
        page.get_by_text("Deployments").first.wait_for(timeout=120_000)
        page.wait_for_load_state("networkidle", timeout=120_000)
    answered = {
        status for status, where in asked if "/api/" in where and where.startswith(("http://127", "http://loc"))
    }
    assert 200 in answered
    assert not {400, 403} & answered
    assert hosts <= {"127.0.0.1", "localhost", None}, "pages do not report to who has made them"
    assert any("Content Security Policy" in each for each in words), "or else QuietPages is needed no more"


def test_the_temporary_server_of_one_command_is_guarded_too(tmp_path: Path) -> None:
    folder = projects.bare(tmp_path / "project")
    probe = (
        "import requests; from pathlib import Path; from pipelines.temporary import start; "
        "url = start(Path('server.log'), 180); "
        "post = lambda **h: requests.post(url + '/flows/filter', json={}, headers=h, timeout=60).status_code; "
        "print(post(), post(Origin='http://evil.example'), post(Host='evil.example'))"
    )
    said = projects.run_code(folder, probe, PREFECT_HOME=str(folder / ".ganlib/prefect"))
    assert said.split() == ["200", "403", "400"]
