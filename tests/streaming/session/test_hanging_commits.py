"""What a worker waits for hangs: features go on, whoever asks hears of it, and a signal ends it all the same."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from featurectl.offline.appended_table import AppendedTable
from featurectl.offline.event_log import EventLog
from featurectl.predicting import places
from featurectl.streaming import commit_beside, run
from featurectl.streaming.session import process_run, stream_session
from featurectl.streaming.session.worker_health import check_workers
from featurectl.streaming.topics.first_use import open_topic
from featurectl.streaming.worker import StreamWorker
from tests.servers.pausing import hanging
from tests.servers.redis import free_port
from tests.servers.s3 import S3Server
from tests.streaming.session.predicted import PredictedSwipes, of_rule, predicting, run_once
from tests.streaming.session.running import Running, running
from tests.streaming.session.swipes import LIMIT_S, Swipes, wait_for
from tests.streaming.session.test_processes import said, started
from tests.streaming.session.test_worker_http import asked

TABLE = of_rule("by_amount").replace("{topic: scores}", "{path: tables/scores}")


class Gate:
    """Holds up whoever comes to it while it is shut."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._open.set()
        self.waiting = 0

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    def before(self, function: Callable[..., object]) -> Callable[..., object]:
        """Return a function that waits at the gate first."""

        def waits(*given: object, **named: object) -> object:
            self.waiting += not self._open.is_set()
            assert self._open.wait(LIMIT_S)
            return function(*given, **named)

        return waits


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open()


def counted(swipes: Swipes) -> int:
    """How many events of a card without a history are in its list."""
    return int(str((swipes.values("new") or {}).get("amount_count_1h", 0)))


def wait_for_shares(swipes: Swipes, workers: int) -> None:
    """Wait until so many workers have divided the partitions, and each has begun with its own, which takes the log."""
    share = 4 // workers
    wait_for(lambda: swipes.shares() == [share] * workers)
    divided = datetime.now(UTC)
    wait_for(lambda: swipes.asof() > divided)


def problems(found: Running) -> str:
    """What keeps workers from being ready."""
    return " ".join(check_workers(found.reports, ["swipes"], "").problems)


@pytest.mark.long
def test_features_go_on_while_a_topic_of_predictions_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate
):
    monkeypatch.setattr("featurectl.predicting.places.open_topic", gate.before(open_topic))
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"))
    gate.shut()
    with predicting(swipes):
        for count in (1, 2, 3):
            swipes.send(1, amount=50.0, card="new")
            wait_for(lambda: gate.waiting == 1 and counted(swipes) == count)  # noqa: B023
        assert swipes.predicted() == 0
        gate.open()
        wait_for(lambda: swipes.predicted() == 3)
    assert swipes.logged() == 3


@pytest.mark.long
def test_a_run_ends_while_a_topic_of_predictions_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate):
    monkeypatch.setattr("featurectl.predicting.places.open_topic", gate.before(open_topic))
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"))
    gate.shut()
    with predicting(swipes):
        swipes.send(1, amount=50.0, card="new")
        wait_for(lambda: gate.waiting == 1 and counted(swipes) == 1)
    assert swipes.predicted() == 0
    gate.open()
    run_once(swipes)
    assert (swipes.predicted(), swipes.logged()) == (1, 1)


@pytest.mark.long
def test_features_go_on_while_a_table_of_predictions_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate):
    monkeypatch.setattr(places, "_EVERY_S", 0.1)
    monkeypatch.setattr(places, "_SILENT_S", 0.2)
    monkeypatch.setattr(AppendedTable, "append", gate.before(AppendedTable.append))
    swipes = PredictedSwipes(root=tmp_path, objects=TABLE)
    gate.shut()
    with predicting(swipes) as found:
        for count in (1, 2, 3):
            swipes.send(1, amount=50.0, card="new")
            wait_for(lambda: gate.waiting == 1 and counted(swipes) == count)  # noqa: B023
        wait_for(lambda: "are not predicted by fraud: a commit to table tables/scores has been" in problems(found))
        gate.open()
        wait_for(lambda: swipes.logged() == 3)
        wait_for(lambda: problems(found) == "")


@pytest.mark.long
def test_a_commit_to_the_log_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate):
    monkeypatch.setattr(commit_beside, "_SILENT_S", 0.2)
    monkeypatch.setattr(EventLog, "commit", gate.before(EventLog.commit))
    swipes = Swipes(root=tmp_path)
    with running(swipes) as found:
        swipes.send(1, card="new")
        wait_for(lambda: counted(swipes) == 1)
        gate.shut()
        swipes.send(1, card="new")
        wait_for(lambda: "source swipes: a commit to the log has been under way for" in problems(found))
        assert found.has_said("waits: a commit to the log has been under way for")
        swipes.send(1, card="new")
        wait_for(lambda: counted(swipes) == 3)
        gate.open()
        wait_for(lambda: problems(found) == "")
        wait_for(lambda: swipes.logged() == 3)
    assert found.has_said("goes on")


@pytest.mark.long
def test_a_run_ends_while_its_log_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate):
    monkeypatch.setattr(run, "_ENDS_S", 0.2)
    monkeypatch.setattr(EventLog, "commit", gate.before(EventLog.commit))
    swipes = Swipes(root=tmp_path)
    with running(swipes) as found:
        swipes.send(1, card="new")
        wait_for(lambda: counted(swipes) == 1)
        gate.shut()
        swipes.send(1, card="new")
        wait_for(lambda: gate.waiting == 1)
    assert found.has_said("what was taken last is not logged, and is taken again: a commit to the log has not come")


@pytest.mark.long
def test_a_turn_that_hangs_is_told_and_a_run_ends_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: Gate
):
    monkeypatch.setattr(stream_session, "_SILENT_S", 0.2)
    monkeypatch.setattr(process_run, "_ENDS_S", 0.2)
    swipes = Swipes(root=tmp_path)
    with running(swipes) as found:
        swipes.send(1, card="new")
        wait_for(lambda: counted(swipes) == 1)
        monkeypatch.setattr(StreamWorker, "step", gate.before(StreamWorker.step))
        gate.shut()
        wait_for(lambda: "source swipes: a turn has been under way for more than 0.2 s: a store" in problems(found))
    assert found.has_said("swipes: its work is left as it is, and is done by the next worker: what it waits for")


@pytest.mark.long
@pytest.mark.parametrize(("workers", "signals"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_sigterm_ends_workers_whose_bucket_hangs(tmp_path: Path, s3: S3Server, workers: int, signals: int):
    swipes = Swipes(root=tmp_path)
    project = (tmp_path / "featurectl.yaml").read_text()
    (tmp_path / "featurectl.yaml").write_text(project.replace("offline: off", f'offline: "{s3.location()}"'))
    swipes.send(4, card="new")
    port = free_port()
    with started(swipes, "--port", str(port), "--workers", str(workers)) as process:
        wait_for(lambda: asked(port, "/ready")[0] == 200 and (counted(swipes), swipes.logged()) == (4, 4))
        wait_for_shares(swipes, workers)
        with hanging(s3.pid):
            swipes.send(5, card="new")
            wait_for(lambda: counted(swipes) == 9)
            os.kill(process.pid, signal.SIGTERM)
            if signals > 1:
                wait_for(lambda: "told to stop" in asked(port, "/ready")[1])
                os.kill(process.pid, signal.SIGTERM)
            # A store that hangs is given up after minutes; a first signal is heard within ten seconds.
            assert process.wait(60) == (0 if signals == 1 else -signal.SIGTERM), said(swipes)
    with started(swipes, "--once") as process:
        assert process.wait(LIMIT_S) == 0, said(swipes)
    assert (swipes.logged(), counted(swipes)) == (9, 9)
