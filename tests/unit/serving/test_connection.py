"""What a client may do to a connection, and for how long, on real sockets."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.unit.serving.running import Files, Running, running

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 11\r\n"


@pytest.fixture(scope="module")
def hasty(small_graphs: dict[str, Path]) -> Iterator[Running]:
    """A server that waits for a request for a fifth of a second, but keeps connections for long."""
    with running(Files(plain=small_graphs["plain"]), receive_seconds=0.2, keep_alive_seconds=3600) as made:
        yield made


def connected(server: Running, *, room: int | None = None) -> socket.socket:
    """A connection whose client gives up after a minute; ``room``: bytes of an answer that it holds unread."""
    made = socket.socket()
    made.settimeout(60)
    if room:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    made.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
    return made


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(1)
        assert part, f"closed after {head!r}"
        head += part
    lines = head.decode().lower().split("\r\n")
    lengths = [int(line.partition(":")[2]) for line in lines if line.startswith("content-length:")]
    body, status = b"", int(lines[0].split()[1])
    while len(body) < sum(lengths):
        part = connection.recv(sum(lengths) - len(body))
        assert part, "closed within the body"
        body += part
    return status, body


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has ended it; waits for that."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_connection_outlives_the_minute_for_which_a_proxy_keeps_it(small_graphs: dict[str, Path]) -> None:
    """uvicorn's own limit is five seconds: a proxy that sends on a connection just then gets nothing back."""
    with running(Files(plain=small_graphs["plain"])) as server, connected(server) as proxy:
        for _ in range(2):
            proxy.sendall(POST + b"\r\n" + b'{"seed": 1}')
            assert answer(proxy)[0] == 200
            threading.Event().wait(6)  # however much longer this takes, within a minute, the outcome is the same
        proxy.sendall(HEALTH)
        assert answer(proxy) == (200, b'{"status":"ok"}')


@pytest.mark.parametrize("asked", [b"", HEALTH], ids=["before a request", "after one"])
def test_an_idle_connection_is_closed_in_the_end(small_graphs: dict[str, Path], asked: bytes) -> None:
    with running(Files(plain=small_graphs["plain"]), keep_alive_seconds=0.5) as server, connected(server) as client:
        client.sendall(asked)
        if asked:
            answer(client)
        assert is_closed(client)


@pytest.mark.parametrize("drip", [b"", b"a"], ids=["silent", "a byte now and then"])
@pytest.mark.parametrize("before", [b"", HEALTH], ids=["first request", "second request"])
def test_headers_that_do_not_end_are_not_waited_for(hasty: Running, before: bytes, drip: bytes) -> None:
    with connected(hasty) as client:
        if before:
            client.sendall(before)
            answer(client)
        client.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
        client.settimeout(0.05)
        while True:
            try:
                told = client.recv(1, socket.MSG_PEEK)
                break
            except TimeoutError:
                client.sendall(drip)
        assert told
        client.settimeout(60)
        status, body = answer(client)
        assert status == 408
        assert "headers did not arrive within 0.2 s" in json.loads(body)["error"]
        assert is_closed(client)


def test_a_body_that_does_not_end_is_not_waited_for(hasty: Running) -> None:
    with connected(hasty) as client:
        client.sendall(POST + b"\r\n" + b'{"seed"')
        status, body = answer(client)
        assert (status, json.loads(body)) == (408, {"error": "the request's body did not arrive within 0.2 s."})
        assert is_closed(client)
    assert hasty.get("/health").ok


def test_a_large_body_is_told_that_it_is_too_large_and_the_rest_of_it_is_taken_but_not_for_ever(hasty: Running) -> None:
    told = requests.post(f"{hasty.url}/v1/images", data=b"x" * 8_000_000, timeout=60)
    assert (told.status_code, "longer than 65,536 bytes" in told.json()["error"]) == (413, True)
    with connected(hasty) as client:
        client.sendall(b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\nx")
        assert answer(client)[0] == 413
        assert is_closed(client)


def test_who_asks_whether_to_send_a_body_is_told_yes_or_no_first(hasty: Running) -> None:
    with connected(hasty) as client:
        client.sendall(POST + b"Expect: 100-continue\r\n\r\n")
        assert answer(client) == (100, b"")
        client.sendall(b'{"seed": 1}')
        assert answer(client)[0] == 200
    with connected(hasty) as client:
        client.sendall(POST.replace(b": 11", b": 99999") + b"Expect: 100-continue\r\n\r\n")
        assert answer(client)[0] == 413


def test_an_answer_that_is_read_slowly_arrives_whole(small_graphs: dict[str, Path]) -> None:
    """Much more slowly than a request may take to arrive, and than a connection may be idle, all in all."""
    with running(Files(plain=small_graphs["plain"]), receive_seconds=0.2, keep_alive_seconds=2) as server:
        whole = server.get("/v1/images", count=256, format="pixels").content
        with connected(server, room=4096) as client:
            client.sendall(b"GET /v1/images?count=256&format=pixels HTTP/1.1\r\nHost: localhost\r\n\r\n")
            status, got = answer_in_pieces(client, 60)
            assert (status, got) == (200, whole)


def answer_in_pieces(connection: socket.socket, pieces: int) -> tuple[int, bytes]:
    """As :func:`answer`, with a pause of a tenth of a second before each of so many parts."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(1)
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < size:
        threading.Event().wait(0.1)
        step = min(size - len(body), size // pieces)
        while step:
            part = connection.recv(step)
            assert part, f"closed after {len(body)} of {size} bytes"
            body, step = body + part, step - len(part)
    return int(head.split()[1]), body


def test_an_answer_that_is_not_read_at_all_is_given_up(small_graphs: dict[str, Path]) -> None:
    settings = {"keep_alive_seconds": 0.5}
    with running(Files(plain=small_graphs["plain"]), **settings) as server, connected(server, room=4096) as client:
        client.sendall(b"GET /v1/images?count=256&format=pixels HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        while server.connections():
            threading.Event().wait(0.05)


def test_when_all_connections_are_taken_the_one_that_asks_nothing_gives_way(small_graphs: dict[str, Path]) -> None:
    with running(Files(plain=small_graphs["plain"]), max_connections=3, receive_seconds=3600) as server:
        idle = [connected(server) for _ in range(3)]
        for number, client in enumerate(idle):
            client.sendall(HEALTH if number else HEALTH[:-2])  # the first is stuck within its headers
            if number:
                answer(client)
        more = connected(server)
        more.sendall(HEALTH)
        assert answer(more)[0] == 200
        assert is_closed(idle[0])
        for client in idle[1:]:
            client.sendall(HEALTH)
            assert answer(client)[0] == 200
        for client in (*idle[1:], more):  # now all three have a request under way
            client.sendall(POST + b"Expect: 100-continue\r\n\r\n")
            assert answer(client)[0] == 100
        with connected(server) as refused:
            status, body = answer(refused)
            assert (status, "too many connections" in json.loads(body)["error"]) == (503, True)
        for client in (*idle[1:], more):
            client.sendall(b'{"seed": 1}')
            assert answer(client)[0] == 200
        for client in (*idle, more):
            client.close()


def test_requests_that_are_sent_at_once_are_answered_in_order(hasty: Running) -> None:
    with connected(hasty) as client:
        client.sendall(HEALTH + HEALTH.replace(b"/health", b"/nothing") + POST + b"\r\n" + b'{"seed": 1}' + HEALTH)
        assert [answer(client)[0] for _ in range(4)] == [200, 404, 200, 200]


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        HEALTH[:-2] + b"X-Long: " + b"a" * 100_000,
        POST.replace(b"11", b"-1") + b"\r\n",
        POST + b"Content-Length: 12\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        POST.replace(b"Content-Length: 11", b"Transfer-Encoding: chunked") + b"\r\nnot a number\r\n",
    ],
    ids=["no HTTP", "no host", "long", "negative", "two lengths", "TLS", "chunks"],
)
def test_what_is_no_request_gets_one_line_and_is_closed(hasty: Running, sent: bytes) -> None:
    with connected(hasty) as client:
        client.sendall(sent)
        status, body = answer(client)
        assert (status, list(json.loads(body))) == (400, ["error"])
        assert is_closed(client)


def test_a_length_that_is_too_short_leaves_what_is_no_request(hasty: Running) -> None:
    with connected(hasty) as client:
        client.sendall(POST.replace(b"11", b"9") + b"\r\n" + b'{"seed":1}}}}}\r\n\r\n')
        assert answer(client)[0] == 422
        assert answer(client)[0] == 400


def test_idle_and_half_asked_connections_do_not_hold_up_the_end(small_graphs: dict[str, Path]) -> None:
    with running(Files(plain=small_graphs["plain"]), drain_seconds=3600, receive_seconds=3600) as server:
        clients = [connected(server) for _ in range(3)]
        clients[1].sendall(HEALTH)
        answer(clients[1])
        clients[2].sendall(HEALTH[:-2])
    # `running` has waited for the end, for a minute at most
    for client in clients:
        assert is_closed(client)
        client.close()
