"""`ganlib serve` below a path and behind nginx, as docs/serving.md has it."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, expect

from ganlib.core.files import sha256_file
from tests.conftest import ROOT
from tests.services import reverse_proxy
from tests.services.conftest import free_port
from tests.support import graphs
from tests.unit.serving.running import LONG, Files, Running, running

pytestmark = pytest.mark.services

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
needs_nginx = pytest.mark.skipif(not NGINX, reason="no nginx on this machine: apt install nginx-light")


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return graphs.write_all(tmp_path_factory.mktemp("proxied"), {"champion": None, "challenger": None})


@pytest.fixture(scope="module")
def server(paths: dict[str, Path]) -> Iterator[Running]:
    with running(Files(**paths), root_path="/gan", allowed_hosts=["digits.example"]) as made:
        yield made


@contextmanager
def nginx(folder: Path, *blocks: str) -> Iterator[None]:
    """nginx with ``blocks`` in its http section, until the block ends."""
    assert NGINX
    conf = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;\n"
        f"events {{ worker_connections 64; }}\nhttp {{ access_log off; {temporary}\n" + "\n".join(blocks) + "\n}\n"
    )
    process = subprocess.Popen([NGINX, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(conf)])
    try:
        yield
        assert process.poll() is None, (folder / "error.log").read_text()
    finally:
        process.terminate()
        process.wait(LONG)


def documented(name: str) -> str:
    """The block of docs/serving.md that begins with the comment ``name``."""
    text = (ROOT / "docs" / "serving.md").read_text()
    (block,) = re.findall(rf"```nginx\n(# {name}.*?)```", text, re.DOTALL)
    return str(block)


def await_nginx(url: str) -> None:
    deadline = time.monotonic() + LONG
    while True:
        try:
            requests.get(url, timeout=LONG)
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def draw(browser: Browser, url: str, sha256: str) -> None:
    """Open the page at ``url``, see the images of a model, follow its links, and take a picture away."""
    context = browser.new_context()
    page, wrong = context.new_page(), list[str]()
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(url)
    expect(page.get_by_role("status")).to_contain_text("Drawn in")
    expect(page.locator("section")).to_contain_text(sha256)
    assert page.locator(".images img").count() == 60
    with page.expect_download() as picture:
        page.get_by_role("link", name="PNG").click()
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")
    for link in ("API", "models"):
        page.get_by_role("link", name=link).click()
        page.go_back()
        expect(page.get_by_role("status")).to_contain_text("Drawn in")
    page.get_by_role("link", name="API").click()
    expect(page.locator("h1")).to_contain_text("API")
    expect(page.locator("table").first).to_have_css("border-collapse", "collapse")  # page.css
    page.get_by_role("link", name="the page").click()
    expect(page.get_by_role("status")).to_contain_text("Drawn in")
    context.close()
    assert not wrong


@pytest.mark.parametrize("taken_off", [True, False], ids=["the proxy takes the path off", "the proxy leaves it"])
def test_the_page_works_below_a_path(
    browser: Browser, server: Running, paths: dict[str, Path], taken_off: bool
) -> None:
    with reverse_proxy.below("/gan", int(server.url.rpartition(":")[2]), taken_off=taken_off) as url:
        draw(browser, url, sha256_file(paths["champion"]))
        api = requests.get(f"{url}/openapi.json", timeout=LONG).json()
        place = url.removesuffix("/gan") + api["servers"][0]["url"]
        assert requests.post(f"{place}/v1/images", json={"seed": 3}, timeout=LONG).status_code == 200


@needs_nginx
def test_nginx_as_documented_offers_a_host_name(
    browser: Browser, server: Running, paths: dict[str, Path], tmp_path: Path
) -> None:
    port, upstream = free_port(), server.url.removeprefix("http://")
    block = documented("A host name").replace("listen 443 ssl;", f"listen 127.0.0.1:{port};")
    assert block.count("127.0.0.1:8050") == 1
    block = block.replace("127.0.0.1:8050", upstream).replace("server 127.0.0.1:8051;", "")
    url = f"http://127.0.0.1:{port}"
    with nginx(tmp_path, block):
        await_nginx(url)
        for host in ("digits.example", f"127.0.0.1:{port}"):
            named = {"Host": host}
            answer = requests.post(
                f"{url}/v1/images", json={}, headers=named | {"Origin": f"http://{host}"}, timeout=LONG
            )
            assert answer.status_code == 200, answer.text
            assert requests.get(f"{url}/metrics", headers=named, timeout=LONG).status_code == 403
        assert requests.get(f"{url}/ready", headers={"Host": "evil.example"}, timeout=LONG).json()["error"]
        draw(browser, url, sha256_file(paths["champion"]))


@needs_nginx
@pytest.mark.parametrize("slash", ["/", ""], ids=["taken off", "left"])
def test_nginx_as_documented_offers_a_path(
    browser: Browser, server: Running, paths: dict[str, Path], tmp_path: Path, slash: str
) -> None:
    port, upstream = free_port(), server.url.removeprefix("http://")
    location = documented("Below a path").replace("127.0.0.1:8050/", upstream + slash)
    with nginx(tmp_path, f"server {{ listen 127.0.0.1:{port};\n{location}\n}}"):
        await_nginx(f"http://127.0.0.1:{port}/gan/health")
        draw(browser, f"http://127.0.0.1:{port}/gan", sha256_file(paths["champion"]))
