"""An endpoint that Prometheus scrapes: what the last look found, however often it is asked."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from featurectl.core.stop_request import StopRequest
from featurectl.monitor.prometheus.names import CONTENT_TYPE

_OK: Final = 200
_NOT_FOUND: Final = 404


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has gone away, as one does that only looks whether the port is open."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


class Endpoint:
    """Answers GET /metrics with the text of the last look.

    `look` is called in the thread that runs `follow`, every so many seconds. It answers for itself when it can't see.
    """

    def __init__(self, first: bytes, look: Callable[[], bytes], address: tuple[str, int]) -> None:
        """Listen; `first` is the text of the first look.

        Raises:
            OSError: the address can't be listened on.
        """
        self._look = look
        self._stop = StopRequest()
        self._answer = first
        self._server = _Server(address, _handler(lambda: self._answer))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    def follow(self, every_s: float) -> None:
        """Answer, and look again every so many seconds, until `close` is called or an exception comes."""
        self._thread.start()
        try:
            while not self._stop.wait(every_s):
                self._answer = self._look()
        finally:
            self._server.shutdown()
            self._server.server_close()

    def close(self) -> None:
        """Let `follow` end."""
        self._stop.set()


def _handler(answer: Callable[[], bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # of a client that says nothing

        def do_GET(self) -> None:  # the library's name
            known = self.path.partition("?")[0] == "/metrics"
            code, body = (_OK, answer()) if known else (_NOT_FOUND, b"/metrics\n")
            self.send_response(code)
            self.send_header("content-type", CONTENT_TYPE if code == _OK else "text/plain; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Say nothing of a request."""

    return Handler
