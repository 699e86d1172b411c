"""Servers that repeat in their answers all that they were sent: a Redis, or a proxy before one, and HTTP."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@contextmanager
def echoing_redis(answer: str = "ERR {all} is not allowed") -> Iterator[int]:
    """Give the port of a server that answers every command with an error, which repeats the command's words."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(65_536):
                for command in data.decode(errors="replace").split("*")[1:]:
                    words = command.split("\r\n")[2::2]
                    said = answer.format(name=words[0], all=" ".join(f"'{word}'" for word in words))
                    self.request.sendall(f"-{said}\r\n".encode())

    with _served(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextmanager
def echoing_http(status: int = 400, *, told: bool = True) -> Iterator[int]:
    """Give the port of a server that answers every request with its path, its headers and its login, if it is told."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            login = self.headers.get("authorization", "")
            clear = base64.b64decode(login.removeprefix("Basic ")).decode() if login.startswith("Basic ") else ""
            text = f"{clear} {json.dumps(clear)} {self.path} {unquote(self.path)} {dict(self.headers)}"
            body = f"<Error><Code>Odd</Code><Message>{text}</Message></Error>".encode() if told else b""
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer  # noqa: N815 (as Python calls them)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with _served(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@contextmanager
def _served(server: socketserver.ThreadingTCPServer | ThreadingHTTPServer) -> Iterator[int]:
    server.daemon_threads = True
    server.block_on_close = False
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
