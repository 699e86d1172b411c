"""What befalls a server whose online store is away or hangs, told once for every kind of store that has a process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests import web
from tests.servers.pausing import hanging
from tests.serving.clicks import run
from tests.serving.load import Load
from tests.serving.process import Process, running
from tests.serving.test_faults import BUDGET_S, FEATURES, PREDICT


class KilledStore(Protocol):
    """A store that is killed and started again."""

    def kill(self) -> None: ...

    def start(self) -> None: ...


@contextmanager
def served_from(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """Give a server process over a repository, with its rows in a store."""
    monkeypatch.setenv("ONLINE", url)
    run(folder, "apply", "--auto-approve")
    run(folder, "push")
    with running(folder, "--timeout", str(BUDGET_S), "--store-timeout", "0.5", "--reload", "0.2") as server:
        yield server


def check_killed_and_back(served: Process, store: KilledStore, folder: Path, *, keeps: bool) -> None:
    """Kill a store and start it again: the outage costs 503 and no more. `keeps`: it still has its rows then."""
    with Load(f"{served.url}/v1/predict/click", PREDICT) as load:
        load.wait_for(200)
        store.kill()
        load.wait_for(503)
        assert web.get(f"{served.url}/health").status_code == 200
        ready = web.get(f"{served.url}/ready", timeout=20)
        assert (ready.status_code, "online store" in ready.json()["problems"][0]) == (503, True)
        store.start()
        if keeps:
            load.wait_for(200)
        back = time.monotonic()
        run(folder, "push", *([] if keeps else ["--full"]))
        load.wait_for(200, 20)
        assert load.statuses(back)[200] >= 20
    assert load.broken == []
    assert not keeps or set(load.statuses()) <= {200, 503}
    assert web.get(f"{served.url}/ready", timeout=20).status_code == 200


def check_hanging(served: Process, pid: int) -> None:
    """Let a store hang: it is answered for within the time, and read again afterwards."""
    with Load(f"{served.url}/v1/features", FEATURES) as load:
        load.wait_for(200)
        with hanging(pid):
            load.wait_for(503)
            problem = web.post(f"{served.url}/v1/features", json=FEATURES, timeout=20).json()
            assert "no answer within 0.5 s" in problem["detail"]
        load.wait_for(200, 20)
    assert load.broken == []
    assert set(load.statuses()) == {200, 503}
