"""What workers answer over HTTP: `/health`, `/ready`, `/fresh`, `/metrics`, as those of `serve`."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, NamedTuple

from featurectl.core.errors import UsageError
from featurectl.streaming.session.process_run import RunListener
from featurectl.streaming.session.source_report import SourceReport
from featurectl.streaming.session.stream_watch import StreamWatch
from featurectl.streaming.session.worker_health import WorkerVerdict, check_fresh, check_workers, view_ages
from featurectl.streaming.session.worker_metrics import RunMetrics, render_worker_metrics

_OK: Final = 200
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_JSON: Final = "application/json"
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_SECOND_US: Final = 1_000_000


class HttpAnswer(NamedTuple):
    """What a route answers."""

    status: int
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAddress:
    """Where workers listen."""

    host: str
    port: int


class WorkerHttp:
    """Answers for a run: a `RunListener` that tells another one what it hears."""

    def __init__(self, project: str, environment: str, watch: StreamWatch, listener: RunListener) -> None:
        self._where = project, environment
        self._watch, self._listener = watch, listener
        self._begun_s = time.monotonic()
        self._reports: Sequence[SourceReport] = ()
        self._server: _Server | None = None
        self.is_ending: Callable[[], bool] = lambda: False
        self._routes: Mapping[str, Callable[[], HttpAnswer]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/fresh": self._fresh,
            "/metrics": self._metrics,
        }

    def say(self, source: str, text: str) -> None:
        """Pass on what a person wants to know."""
        self._listener.say(source, text)

    def report(self, reports: Sequence[SourceReport]) -> None:
        """Take note of how far sources are."""
        self._reports = reports
        self._listener.report(reports)

    def listen(self, address: HttpAddress) -> None:
        """Begin to listen.

        Raises:
            UsageError: the address can't be listened on.
        """
        try:
            self._server = _Server((address.host, address.port), _handler(self.answer))
        except OSError as error:
            message = f"{address.host}:{address.port} can't be listened on: {error.strerror or error}"
            raise UsageError(message, hint="--port, --host") from error
        threading.Thread(target=self._server.serve_forever, name="http", daemon=True).start()
        self._watch.start()

    def close(self) -> None:
        """Listen no more."""
        self._watch.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def answer(self, path: str) -> HttpAnswer:
        """Return what is answered to a GET of a path."""
        route = self._routes.get(path.partition("?")[0])
        if route is None:
            return HttpAnswer(_NOT_FOUND, _TEXT, "".join(f"{known}\n" for known in self._routes).encode())
        return route()

    def _health(self) -> HttpAnswer:
        uptime = round(time.monotonic() - self._begun_s, 3)
        return _answer({"status": "ok", "sources": [of.source for of in self._reports], "uptime": uptime})

    def _ready(self) -> HttpAnswer:
        sources = sorted({*self._watch.watched, *(of.source for of in self._reports)})
        found = check_workers(self._reports, sources, self._watch.registry_problem)
        if not sources:
            found = WorkerVerdict(problems=["work has not begun"])
        if self.is_ending():
            found = WorkerVerdict(problems=["the worker has been told to stop"])
        status = "not ready" if found.problems else "ready"
        document = {"status": status, "problems": found.problems, "warnings": found.warnings}
        return _answer(document, is_good=not found.problems)

    def _fresh(self) -> HttpAnswer:
        watched, now_us = self._watch.watched, time.time_ns() // 1_000
        problems = check_fresh(watched, now_us, time.monotonic()).problems
        if not watched:
            problems = ["nothing was looked at yet"]
        views = [
            {
                "view": age.view,
                "version": age.version,
                "age_seconds": None if age.age_us is None else round(age.age_us / _SECOND_US, 3),
            }
            for of in watched.values()
            for age in view_ages(of, now_us)
        ]
        document = {"status": "stale" if problems else "fresh", "problems": problems, "views": views}
        return _answer(document, is_good=not problems)

    def _metrics(self) -> HttpAnswer:
        project, environment = self._where
        run = RunMetrics(
            project=project,
            environment=environment,
            reports=self._reports,
            watched=self._watch.watched,
            now_us=time.time_ns() // 1_000,
            registry_problem=self._watch.registry_problem,
        )
        return HttpAnswer(_OK, _METRICS, render_worker_metrics(run).encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has gone away, as one does that only looks whether the port is open."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


def _answer(document: Mapping[str, object], *, is_good: bool = True) -> HttpAnswer:
    body = json.dumps(document, ensure_ascii=False).encode()
    return HttpAnswer(_OK if is_good else _UNAVAILABLE, _JSON, body)


def _handler(answer: Callable[[str], HttpAnswer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # of a client that says nothing

        def do_GET(self) -> None:  # the library's name
            found = answer(self.path)
            self.send_response(found.status)
            self.send_header("content-type", found.kind)
            self.send_header("content-length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Say nothing of a request."""

    return Handler
