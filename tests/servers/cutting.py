"""A proxy on loopback whose connections a test cuts, now or within an answer, or whose answers it holds back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class CuttingProxy:
    """Passes bytes between its port and another; `cuts` counts the connections that were cut.

    What follows may be changed at any time: the next `to_cut` connections are cut whose answers have become longer than
    `longest` bytes, and behind the first `held` bytes of each `hold_s` seconds pass.
    """

    port: int
    cuts: int = 0
    to_cut: int = 0
    longest: int = 0
    held: int = 0
    hold_s: float = 0.0
    _open: list[socket.socket] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cut(self) -> None:
        """Reset all connections that are open."""
        with self._lock:
            opened, self._open = self._open, []
        self.cuts += len(opened) // 2
        for each in opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def passes(self, client: socket.socket, server: socket.socket) -> None:
        """Pass bytes both ways until either side ends."""
        with self._lock:
            self._open += [client, server]
        for ends in ((client, server, False), (server, client, True)):
            threading.Thread(target=self._copy, args=ends, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, is_answer: bool) -> None:  # noqa: FBT001  # of a thread
        passed = 0
        with suppress(OSError):
            while data := source.recv(65_536):
                passed += len(data)
                if is_answer and self.hold_s and passed > self.held >= passed - len(data):
                    time.sleep(self.hold_s)
                if is_answer and self.to_cut and passed > self.longest:
                    self.to_cut -= 1
                    self.cuts += 1
                    break
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def cutting_proxy(to_port: int) -> Iterator[CuttingProxy]:
    """Run a proxy to a port of this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = CuttingProxy(listener.getsockname()[1])

    def accept() -> None:
        with suppress(OSError):
            while True:
                taken = listener.accept()[0]
                proxy.passes(taken, socket.create_connection(("127.0.0.1", to_port)))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        proxy.cut()
