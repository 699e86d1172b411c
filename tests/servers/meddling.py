"""A proxy between a client and a Redis that adds replies, drops and splits them, says things unasked, or hangs up."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random
from typing import Final

HARMLESS: Final = ("split", "push")
STRAY: Final = ("early", "doubled", "surplus")
FAULTS: Final = (*HARMLESS, *STRAY, "dropped", "cut")
_PUSH: Final = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nabc\r\n"
_LINES: Final = b"+-:,(#_"
_TEXTS: Final = b"$=!"


class MeddlingProxy:
    """Passes bytes between its port and another. Of so many replies, a `share`, each meets the `fault`."""

    def __init__(self, port: int, seed: int = 1) -> None:
        self.port = port
        self.fault = ""
        self.share = 0.02
        self.done = 0  # faults
        self.random = Random(seed)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def passes(self, client: socket.socket, server: socket.socket) -> None:
        """Pass bytes both ways until either side ends."""
        for of in (client, server):
            of.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=self._ask, args=(client, server), daemon=True).start()
        threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                server.sendall(data)
        _end(client, server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        data, before = b"", deque[bytes](maxlen=20)
        with suppress(OSError):
            while more := server.recv(65_536):
                data, at = data + more, 0
                while (end := _reply_end(data, at)) is not None:
                    reply = data[at:end]
                    if not self._pass_on(client, reply, before):
                        raise OSError
                    before.append(reply)
                    at = end
                data = data[at:]
        _end(client, server)

    def _pass_on(self, client: socket.socket, reply: bytes, before: deque[bytes]) -> bool:
        """Send a reply, or what a fault makes of it; return whether the connection goes on."""
        fault, random = self.fault, self.random
        if not fault or random.random() >= self.share:
            client.sendall(reply)
            return True
        self.done += 1
        other = random.choice([*before, reply])
        if fault == "cut":
            client.sendall(reply[: random.randrange(len(reply))])
            return False
        if fault == "split":
            for at in range(len(reply)):
                client.sendall(reply[at : at + 1])
                time.sleep(random.choice([0, 0, 0.0005]))
        elif fault == "push":
            client.sendall(_PUSH + reply + _PUSH)
        elif fault == "early":
            client.sendall(reply)
            threading.Timer(random.choice([0.001, 0.01]), _send, (client, other)).start()
        elif fault == "doubled":
            client.sendall(reply * 2)
        elif fault == "surplus":
            client.sendall(random.choice([reply + other, other + reply]))
        else:
            assert fault == "dropped", fault
        return True


@contextmanager
def meddling_proxy(to_port: int, own_port: int = 0, seed: int = 1) -> Iterator[MeddlingProxy]:
    """Run a proxy to a port of this machine."""
    listener = socket.create_server(("127.0.0.1", own_port))
    proxy = MeddlingProxy(listener.getsockname()[1], seed)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                proxy.passes(client, socket.create_connection(("127.0.0.1", to_port)))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _send(client: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        client.sendall(data)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


def _reply_end(data: bytes, at: int) -> int | None:
    """Return where a reply ends that begins at a place; None where it is not whole."""
    line_end = data.find(b"\r\n", at)
    if line_end < 0:
        return None
    kind, end = data[at], line_end + 2
    if kind in _LINES:
        return end
    count = int(data[at + 1 : line_end])
    if kind in _TEXTS:
        end += count + 2 if count >= 0 else 0
        return end if end <= len(data) else None
    for _ in range(2 * count if kind in b"%|" else count):
        found = _reply_end(data, end)
        if found is None:
            return None
        end = found
    return end
