"""The ways by which an application reads features online, side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime

from starlette.testclient import TestClient

import featurectl
from featurectl.core.units import format_iso
from featurectl.online.client.clients import AsyncOnlineClient, OnlineClient
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.end_to_end.flights import Repository

PATIENT_S = 60.0  # a busy machine is no failure

Columns = Mapping[str, Sequence[object]]


class Readers:
    """A client that waits, one for an event loop, and one of the HTTP server, over one environment."""

    def __init__(
        self, waiting: OnlineClient, loop: asyncio.Runner, giving_way: AsyncOnlineClient, http: TestClient
    ) -> None:
        self._waiting = waiting
        self._loop = loop
        self._giving_way = giving_way
        self.http = http

    def read(self, features: Sequence[str], entities: Columns, at: datetime) -> dict[str, Columns]:
        """Return the values that each of them reads, by its name; of the server as they stand in its JSON."""
        body = {"features": features, "entities": entities, "time": format_iso(at)}
        answer = self.http.post("/v1/features", json=body)
        assert answer.status_code == 200, answer.text
        return {
            "OnlineClient": self._waiting.get(features, entities, at).values(),
            "AsyncOnlineClient": self._loop.run(self._giving_way.get(features, entities, at)).values(),
            "POST /v1/features": {name: column["values"] for name, column in answer.json()["features"].items()},
        }


@contextmanager
def open_readers(repository: Repository, env: str) -> Iterator[Readers]:
    """Open all of them, and close them afterwards."""
    settings = ServeSettings(root=str(repository.root), env=env, timeout_s=PATIENT_S, store_timeout_s=PATIENT_S)
    with ExitStack() as stack:
        waiting = stack.enter_context(featurectl.open_client(repository.root, env))
        loop = stack.enter_context(asyncio.Runner())
        giving_way = featurectl.open_async_client(repository.root, env, budget_s=PATIENT_S)
        stack.callback(lambda: loop.run(giving_way.close()))
        http = stack.enter_context(TestClient(open_app(settings), raise_server_exceptions=False))
        yield Readers(waiting, loop, giving_way, http)
