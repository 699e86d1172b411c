"""Local servers that take alerts as Slack, PagerDuty and any webhook do, their refusals and rate limits included."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, str, dict[str, str]]
SEVERITIES = ("critical", "warning", "error", "info")


@dataclass
class Hook:
    """A server: what it took, and what it answers. `next` are answers that come first, one a request."""

    url: str = ""
    judge: Callable[[dict, str], Answer] = field(default=lambda _document, _path: (200, "", {}))
    next: list[Answer] = field(default_factory=list)
    taken: list[dict] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: bytes, path: str, headers: dict[str, str]) -> Answer:
        with self.lock:
            self.asked += 1
            if self.next:
                return self.next.pop(0)
            document = json.loads(body)
            status, text, more = self.judge(document, path)
            if status < 300:
                self.taken.append(document)
                self.headers.append(headers)
            return status, text, more


def as_slack(document: dict, path: str) -> Answer:
    """Answer as an incoming webhook of Slack does."""
    if path != "/services/T0/B0/secret":
        return 404, "no_service", {}
    blocks = document.get("blocks", [])
    texts = [block["text"] for block in blocks]
    fine = document.get("text") and all(
        block["type"] == "section" and t["type"] == "mrkdwn" and 0 < len(t["text"]) <= 3000
        for block, t in zip(blocks, texts, strict=True)
    )
    return (200, "ok", {}) if fine else (400, "invalid_payload", {})


def as_pagerduty(document: dict, _path: str) -> Answer:
    """Answer as the Events API v2 of PagerDuty does."""
    errors = []
    if len(document.get("routing_key", "")) != 32:
        errors.append("'routing_key' is invalid")
    if document.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        errors.append("'event_action' is missing or invalid")
    if len(document.get("dedup_key", "")) > 255:
        errors.append("'dedup_key' is too long")
    if document.get("event_action") == "trigger":
        payload = document.get("payload", {})
        errors += [f"'payload.{key}' is missing or blank" for key in ("summary", "source") if not payload.get(key)]
        errors += [] if payload.get("severity") in SEVERITIES else ["'payload.severity' is invalid"]
        errors += ["'payload.summary' is too long"] if len(payload.get("summary", "")) > 1024 else []
    if errors:
        told = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        return 400, json.dumps(told), {}
    told = {"status": "success", "message": "Event processed", "dedup_key": document["dedup_key"]}
    return 202, json.dumps(told), {}


@contextmanager
def running_drip() -> Iterator[str]:
    """Run a server that sends a byte of its answer now and then, and never the last."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while not over.wait(0.05):
                    self.request.sendall(b"H")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join()


@contextmanager
def running_hook(judge: Callable[[dict, str], Answer] | None = None) -> Iterator[Hook]:
    """Run a server on a free port."""
    hook = Hook() if judge is None else Hook(judge=judge)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {key.lower(): value for key, value in self.headers.items()}
            status, text, more = hook.answer(body, self.path, headers)
            self.send_response(status)
            for key, value in more.items():
                self.send_header(key, value)
            if "content-length" not in more:
                self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hook
        finally:
            server.shutdown()
            thread.join()
