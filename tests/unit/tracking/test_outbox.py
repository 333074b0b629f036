"""No value is lost or doubled, whatever the store does."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from ganlib.core.errors import GanlibError, Unavailable
from ganlib.tracking.failures import Refused, WrongLogin
from ganlib.tracking.outbox import Outbox, Point
from ganlib.tracking.store import MlflowStore
from tests import factories


def points(count: int, name: str = "loss") -> list[Point]:
    return [Point(name, float(step), step, step) for step in range(count)]


def away(_: list[Point]) -> None:
    raise Unavailable("away")


def test_a_store_that_is_away_for_a_while_loses_and_doubles_nothing(tmp_path: Path) -> None:
    failures, sent, order = [True, True, True], [], []

    def send(batch: list[Point]) -> None:
        if failures:
            failures.pop()
            raise Unavailable("away")
        sent.extend(batch)

    outbox = Outbox(send, tmp_path / "spool.jsonl", every=0.01)
    for point in points(3000):
        outbox.points([point])
    outbox.write(lambda: order.append("after"))
    assert outbox.close() is None
    assert sent == points(3000)
    assert order == ["after"]
    assert not (tmp_path / "spool.jsonl").exists()


def test_no_call_carries_more_than_mlflow_takes_and_values_keep_their_order(tmp_path: Path) -> None:
    held, sizes, sent = threading.Event(), [], []

    def send(batch: list[Point]) -> None:
        held.wait(300)
        sizes.append(len(batch))
        sent.extend(batch)

    outbox = Outbox(send, tmp_path / "s", every=0.01)
    outbox.points(points(2600))
    held.set()
    assert outbox.close() is None
    assert max(sizes) <= 1000
    assert sent == points(2600)


def test_a_call_that_came_through_without_an_answer_doubles_nothing_in_mlflow(
    store: MlflowStore, tmp_path: Path
) -> None:
    from ganlib.tracking.runs import send

    run_id = factories.finished_run(store)
    lost_answers = [True, True]

    def through(batch: list[Point]) -> None:
        send(store, run_id, batch)
        if lost_answers:
            lost_answers.pop()
            raise Unavailable("the answer was lost")

    outbox = Outbox(through, tmp_path / "s", every=0.01)
    outbox.points([*points(1500), Point("loss", float("nan"), 9, 9)])
    assert outbox.close() is None
    assert len(store.client.get_metric_history(run_id, "loss")) == 1501


def test_what_could_not_be_sent_by_the_end_is_kept_on_disk_after_what_was_kept_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "PATIENCE", 0.1)
    spool = tmp_path / "spool" / "r.jsonl"
    for value in (1.5, 2.5):
        outbox = Outbox(away, spool, every=0.01)
        outbox.points([Point("loss", value, 2, 3)])
        outbox.write(lambda: None)
        message = str(outbox.close())
        assert "1 metric values are kept" in message
        assert str(spool) in message
        assert "1 other writes were dropped" in message
    assert [json.loads(line) for line in spool.read_text().splitlines()] == [["loss", 1.5, 2, 3], ["loss", 2.5, 2, 3]]


def test_the_end_waits_for_a_store_that_comes_back(tmp_path: Path) -> None:
    sent: list[Point] = []
    away_for = iter(range(3))

    def send(batch: list[Point]) -> None:
        if next(away_for, None) is not None:
            raise Unavailable("away")
        sent.extend(batch)

    outbox = Outbox(send, tmp_path / "s", every=0.01)
    outbox.points(points(3))
    assert outbox.close() is None
    assert sent == points(3)


def test_a_write_that_is_refused_is_told_and_costs_no_value_that_arrived_meanwhile(tmp_path: Path) -> None:
    sent: list[Point] = []
    outbox = Outbox(sent.extend, tmp_path / "s", every=0.01)

    def refuse() -> None:
        outbox.points(points(5))  # the trainer goes on while this write is under way
        raise GanlibError("refused")

    outbox.write(refuse)
    with pytest.raises(GanlibError, match="refused"):
        outbox.close()
    assert sent == points(5)


def test_everything_waits_for_a_login_that_is_taken_again(tmp_path: Path) -> None:
    sent: list[Point] = []
    refusals, tried = [True, True], threading.Event()

    def login() -> None:
        if refusals:
            refusals.pop()
            tried.set()
            raise WrongLogin("401")

    def send(batch: list[Point]) -> None:
        login()
        sent.extend(batch)

    order: list[str] = []
    outbox = Outbox(send, tmp_path / "s", every=0.01)
    outbox.write(lambda: (login(), order.append("written")))  # type: ignore[arg-type, return-value]
    outbox.points(points(3))
    assert tried.wait(300)
    while refusals:
        tried.wait(0.01)
    assert outbox.close() is None
    assert (sent, order) == (points(3), ["written"])


@pytest.mark.parametrize("kind", [Refused, WrongLogin])
def test_values_that_the_store_refuses_to_this_user_are_kept_and_the_end_does_not_wait(
    tmp_path: Path, kind: type[Refused]
) -> None:
    def send(_: list[Point]) -> None:
        raise kind("not you.")

    outbox = Outbox(send, tmp_path / "s", beat=lambda: send([]), every=0.01, beat_every=0.01)
    outbox.points(points(3))
    outbox.write(lambda: None)
    told = outbox.close()
    assert type(told) is kind
    assert str(told) == f"not you. 3 metric values are kept in {tmp_path / 's'}, 1 other writes were dropped."
    assert len((tmp_path / "s").read_text().splitlines()) == 3


def test_a_batch_that_is_refused_costs_no_other(tmp_path: Path) -> None:
    sent: list[Point] = []

    def send(batch: list[Point]) -> None:
        if batch[0].name == "bad":
            raise GanlibError("bad name")
        sent.extend(batch)

    outbox = Outbox(send, tmp_path / "s", every=60)
    outbox.points(points(1000, "bad") + points(7))
    with pytest.raises(GanlibError, match="bad name"):
        outbox.close()
    assert sent == points(7)


def test_a_queue_that_fills_up_does_not_hammer_a_store_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "PATIENCE", 0.0)
    tried = []

    def send(batch: list[Point]) -> None:
        tried.append(len(batch))
        raise Unavailable("away")

    outbox = Outbox(send, tmp_path / "s", every=600)
    for _ in range(2000):
        outbox.points(points(10))
    outbox.close()
    assert len(tried) <= 3


def test_values_do_not_wait_for_a_full_batch(tmp_path: Path) -> None:
    arrived = threading.Event()
    outbox = Outbox(lambda _: arrived.set(), tmp_path / "s", every=0.05)
    outbox.points(points(1))
    assert arrived.wait(300)
    outbox.close()


def test_a_sign_of_life_is_given_even_when_there_is_nothing_to_write(tmp_path: Path) -> None:
    beaten = threading.Semaphore(0)
    outbox = Outbox(away, tmp_path / "s", beat=beaten.release, every=0.01, beat_every=0.01)
    for _ in range(3):
        assert beaten.acquire(timeout=300)
    outbox.close()


def test_a_try_that_hung_while_the_run_ended_is_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "PATIENCE", 0.0)
    trying, tried = threading.Event(), []

    def send(batch: list[Point]) -> None:
        tried.append(len(batch))
        trying.set()
        assert outbox.closing.wait(300)
        raise Unavailable("it hung, and then it failed")

    outbox = Outbox(send, tmp_path / "s", every=0.01)
    outbox.points(points(4))
    assert trying.wait(300)
    assert outbox.close() is not None
    assert tried == [4]
