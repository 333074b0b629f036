"""The wire that other tests cut: nothing may pass it that it says it holds back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.services.wire import Wire

pytestmark = pytest.mark.services


@pytest.fixture
def echo() -> Iterator[int]:
    """Port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(100):
                connection.sendall(data)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def says(connection: socket.socket) -> bytes:
    """What comes back of a word; nothing if the connection has ended."""
    try:
        connection.sendall(b"word")
        return connection.recv(4)
    except ConnectionError:
        return b""


def test_what_is_being_accepted_while_the_wire_is_cut_is_cut_too(echo: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(echo)
    accepted, cut, connect = threading.Event(), threading.Event(), socket.create_connection

    def slowly(*arguments: object, **named: object) -> socket.socket:
        accepted.set()
        assert cut.wait(60)
        return connect(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("tests.services.wire.socket.create_connection", slowly)
        client = socket.socket()
        client.settimeout(60)
        client.connect(("127.0.0.1", wire.port))
        assert accepted.wait(60)
        wire.cut()
        cut.set()
        assert says(client) == b""
    client.close()
    wire.mend()
    with connect(("127.0.0.1", wire.port), timeout=60) as again:
        assert says(again) == b"word"
    wire.cut()


def test_a_frozen_connection_stays_open_and_silent_after_the_wire_is_mended(echo: int) -> None:
    wire = Wire(echo)
    before = socket.create_connection(("127.0.0.1", wire.port), timeout=60)
    assert says(before) == b"word"
    wire.freeze()
    meanwhile = socket.create_connection(("127.0.0.1", wire.port), timeout=60)
    for client in (before, meanwhile):
        client.sendall(b"word")
    while len(wire.sockets) < 4:  # both ends of both: else the second is accepted after the mending
        threading.Event().wait(0.01)
    wire.mend()
    with socket.create_connection(("127.0.0.1", wire.port), timeout=60) as after:
        assert says(after) == b"word"  # by now the others would have been answered, too
    for client in (before, meanwhile):
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.close()
    wire.cut()
