"""One model takes another's place: when it may, when it must not, and what requests under way see of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests

from ganlib.core.errors import Unavailable
from ganlib.core.files import sha256_file
from ganlib.generation.session import OnnxModel
from tests.unit.serving.running import LONG, Files, Running, running

SHA = "X-Ganlib-Model-Sha256"


def test_a_moved_name_is_followed_and_who_was_inside_ends_on_the_old_model(small_graphs: dict[str, Path]) -> None:
    source = Files(champion=small_graphs["plain"])
    with running(source, timeout_seconds=LONG) as server:
        old = server.shared.pool.all()[0]
        inside: list[requests.Response] = []
        thread = threading.Thread(target=lambda: inside.append(server.get("/v1/images", format="json")))
        with server.held():
            thread.start()
            while old.users == 0:
                thread.join(0.01)
            source.paths["champion"] = small_graphs["second"]
            server.look()
            assert not old.engine.closed
            after = server.get("/v1/images")
        thread.join()
        old.engine.join()  # ends by itself once nobody uses it
        assert inside[0].headers[SHA] == inside[0].json()["card"]["model_sha256"] == sha256_file(small_graphs["plain"])
        assert after.headers[SHA] == sha256_file(small_graphs["second"])
        assert 'ganlib_swaps_total{model="champion",result="done"} 1.0' in server.get("/metrics").text


def test_a_model_that_does_not_run_changes_nothing_and_is_not_tried_again_at_once(
    small_graphs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(small_graphs["second"].read_bytes()[:-100])
    source = Files(champion=small_graphs["plain"])
    with running(source) as server:
        source.paths["champion"] = broken
        server.look()
        server.look()
        assert server.get("/v1/images").headers[SHA] == sha256_file(small_graphs["plain"])
        assert len(server.lines) == 1
        assert "cannot be loaded; the one before is served on" in server.lines[0]
        source.paths["champion"] = small_graphs["second"]
        server.look()
        assert server.get("/v1/images").headers[SHA] == sha256_file(small_graphs["second"])


def test_while_the_registry_is_down_what_is_loaded_is_served_on(small_graphs: dict[str, Path]) -> None:
    source = Files(champion=small_graphs["plain"])
    with running(source) as server:
        source.down = Unavailable("MLflow at http://me:secret@here does not answer.")
        server.look()
        server.look()
        assert server.get("/v1/images").ok
        ready = server.get("/ready")
        assert (ready.status_code, ready.json()["registry"]) == (200, "down")
        assert "secret" not in ready.text
        assert "ganlib_registry_up 0.0" in server.get("/metrics").text
        source.down = None
        server.look()
        assert server.get("/ready").json()["registry"] == "up"
        assert [line.split(";")[0] for line in server.lines] == [
            "the registry cannot be asked",
            "the registry answers again",
        ]


def registry(server: Running) -> str:
    return str(server.get("/ready").json()["registry"])


def test_a_registry_that_gives_no_answer_counts_as_down_and_what_it_says_too_late_is_dropped(
    small_graphs: dict[str, Path],
) -> None:
    source = Files(champion=small_graphs["plain"])
    with running(source, poll_seconds=0.05, registry_seconds=0.2) as server:
        silent = source.silent = threading.Event()
        while registry(server) == "up":
            threading.Event().wait(0.01)
        assert server.get("/v1/images").headers[SHA] == sha256_file(small_graphs["plain"])
        assert "ganlib_registry_up 0.0" in server.get("/metrics").text
        assert "the registry cannot be asked; what is loaded is served on: no answer within 0.2 s." in server.lines
        while not server.shared.watcher.problem or "4 earlier questions" not in server.shared.watcher.problem:
            threading.Event().wait(0.01)
        asked = source.asked
        server.look()
        assert source.asked == asked  # no thread more, however long this lasts
        source.silent = None
        source.paths["champion"] = small_graphs["second"]
        silent.set()  # those that were left behind say now what was true then
        while server.get("/v1/images").headers[SHA] != sha256_file(small_graphs["second"]):
            threading.Event().wait(0.01)
        while registry(server) == "down":
            threading.Event().wait(0.01)
        assert len([line for line in server.lines if "champion" in line]) == 1  # it has moved once, and not back


def test_a_registry_that_gives_no_answer_does_not_hold_up_the_end(small_graphs: dict[str, Path]) -> None:
    source = Files(champion=small_graphs["plain"])
    with running(source, poll_seconds=0.05, registry_seconds=3600) as server:
        source.silent = threading.Event()
        asked = source.asked
        while source.asked == asked:
            threading.Event().wait(0.01)
        watcher = server.shared.watcher
    # `running` has waited for the end
    assert watcher.thread
    assert not watcher.thread.is_alive()
    source.silent.set()


def test_other_names_come_and_go_and_the_default_stays(small_graphs: dict[str, Path]) -> None:
    source = Files(champion=small_graphs["plain"], challenger=small_graphs["second"])

    def names(server: Running) -> list[str]:
        return [model["name"] for model in server.get("/v1/models").json()["models"]]

    with running(source) as server:
        assert names(server) == ["champion", "challenger"]
        source.paths.pop("challenger")
        server.look()
        assert names(server) == ["champion"]
        assert server.get("/v1/images", model="challenger").status_code == 404
        source.paths["previous"] = small_graphs["digits"]
        source.paths.pop("champion")
        server.look()
        assert names(server) == ["champion", "previous"]
        assert OnnxModel(small_graphs["digits"]).sha256 in server.get("/ready").text


def test_a_server_that_is_to_end_says_so(small_graphs: dict[str, Path]) -> None:
    with running(Files(champion=small_graphs["plain"])) as server:
        server.shared.draining = True
        assert (server.get("/ready").status_code, server.get("/health").status_code) == (503, 200)
