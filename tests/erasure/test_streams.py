"""Events of erased keys: they leave lists, log and rejected events, come in no more, and are in nothing made anew."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.erasure.online_store import OnlineStorePlace
from featurectl.erasure.stream_logs import StreamLogsPlace
from featurectl.erasure.stream_state import StreamStatePlace
from featurectl.erasure.topics import TopicsPlace
from tests.erasure.erasing import bury, files_with, request_of
from tests.streaming.session.running import running
from tests.streaming.session.swipes import OBJECTS, Swipes, wait_for

CANARY = "canary-77aa"
PLACES = (TopicsPlace, StreamLogsPlace, StreamStatePlace, OnlineStorePlace)


@pytest.fixture
def swipes(tmp_path: Path) -> Swipes:
    return Swipes(root=tmp_path)


def erase(swipes: Swipes, card: str = CANARY, *, again: bool = False) -> Mapping[str, int]:
    """Erase a card, or do it over for all, and return how much was removed of each place."""
    with swipes.workspace() as workspace:
        values = {} if again else {bury(workspace, "card", {"card": card}).number: {"card": card}}
        request = request_of(workspace, values)
        return {item.place: item.rows for place in PLACES for item in place().erase(request)}


def count(swipes: Swipes, card: str, view: str = "spend@1") -> object:
    """How many swipes of an hour a view counts of a card; 0 where it knows none."""
    return (swipes.values(card, view) or {}).get("amount_count_1h") or 0


def left(swipes: Swipes) -> Mapping[str, int]:
    """How much is left outside of topics, where somebody may send old events again."""
    with swipes.workspace() as workspace:
        request = request_of(workspace)
        return {item.place: item.rows for place in PLACES[1:] for item in place().look(request)}


def run_once(swipes: Swipes) -> None:
    assert main(["-C", str(swipes.root), "stream", "run", "--once", "-q"]) == 0


def logged_cards(swipes: Swipes) -> list[str]:
    with swipes.workspace() as workspace:
        log = workspace.event_log(workspace.repo.sources["swipes"])
        frames = [*log.read_rows(log.open(), ["card"])]
    return pl.concat(frames)["card"].to_list() if frames else []


def test_events_of_an_erased_key_leave_log_lists_and_rejected_events(swipes: Swipes):
    swipes.send(3)
    swipes.send(4, card=CANARY)
    swipes.send(1, card=CANARY, amount=5_000)  # which fails a check
    swipes.send_texts(f"no JSON of {CANARY}", f"no JSON of {CANARY}2")
    run_once(swipes)
    assert count(swipes, CANARY) == 4
    assert files_with(swipes.root / "off", CANARY) or logged_cards(swipes).count(CANARY) == 4
    found = erase(swipes)
    assert found == {
        "topic swipes of stream swipes": 6,
        "log of stream swipes": 4,
        "rejected events of stream swipes": 2,
        "lists of spend@1": 1,
    }
    assert logged_cards(swipes).count(CANARY) == 0
    assert not count(swipes, CANARY)
    assert count(swipes, "c1") == 4  # one of its history
    assert swipes.rejected()["value"].to_list() == [f"no JSON of {CANARY}2".encode()]
    stays = f"no JSON of {CANARY}2"  # of another card
    assert [name for name in files_with(swipes.root, CANARY) if not name.startswith(("streams.db", "off"))] == []
    assert [name for name in files_with(swipes.root, CANARY) if name not in files_with(swipes.root, stays)] == []
    assert (left(swipes), erase(swipes, again=True)) == ({}, {})


def test_no_file_of_the_log_is_there_that_had_the_rows(swipes: Swipes):
    swipes.send(2, card=CANARY)
    run_once(swipes)
    before = {path for path in (swipes.root / "off").rglob("*.parquet") if "_delta_log" not in path.parts}
    had = {path for path in before if CANARY in path.read_bytes().decode("latin-1") or holds(path)}
    assert had
    erase(swipes)
    assert [path for path in had if path.exists()] == []
    swipes.send(2)
    run_once(swipes)
    assert logged_cards(swipes) == ["c1", "c1"]


def holds(path: Path) -> bool:
    rows = pl.read_parquet(path)
    return "card" in rows.columns and CANARY in rows["card"].to_list()


def test_old_events_that_come_later_are_left_out_and_new_ones_count(swipes: Swipes):
    swipes.send(2)
    run_once(swipes)
    erase(swipes)
    swipes.send(2, card=CANARY, at=(datetime.now(UTC) - timedelta(minutes=2)).isoformat())
    swipes.send(3, card=CANARY)
    run_once(swipes)
    assert logged_cards(swipes).count(CANARY) == 3
    assert count(swipes, CANARY) == 3
    assert left(swipes) == {}


def test_topics_lose_no_other_event_while_senders_and_workers_go_on(swipes: Swipes):
    swipes.send(400, card=CANARY)

    def send() -> None:
        for _ in range(10):
            swipes.send(5)

    with running(swipes) as run:
        sender = threading.Thread(target=send)
        sender.start()
        erase(swipes)
        sender.join()
        wait_for(lambda: sum(report.logged for report in run.reports) >= 50)
        wait_for(lambda: count(swipes, "c1") == 51)
    assert logged_cards(swipes) == ["c1"] * 50
    assert files_with(swipes.root, CANARY) == []
    assert left(swipes) == {}


def test_what_was_sent_before_and_is_read_after_is_left_out(swipes: Swipes):
    swipes.send(3, card=CANARY)
    erase(swipes)
    swipes.send(1)
    run_once(swipes)
    assert logged_cards(swipes) == ["c1"]
    assert left(swipes) == {}


def test_lists_made_anew_have_nothing_of_it(swipes: Swipes):
    history = swipes.root / "history.csv"
    at = (swipes.begun - timedelta(minutes=4)).isoformat()
    history.write_text(f"{history.read_text()}1000003,{CANARY},70,1,{at}\n")
    swipes.send(2, card=CANARY)
    swipes.send(1)
    run_once(swipes)
    assert count(swipes, CANARY) == 3
    erase(swipes)
    swipes.apply(OBJECTS.replace("windows: [1h]", "windows: [1h, 2h]"))
    run_once(swipes)
    [view] = swipes.spends()
    assert not count(swipes, CANARY, view)
    assert count(swipes, "c1", view) == 2
    assert main(["-C", str(swipes.root), "stream", "rebuild", view.partition("@")[0], "-q"]) in (0, 64)
    assert left(swipes) == {}


def test_workers_that_run_meanwhile_bring_nothing_back(swipes: Swipes):
    with running(swipes) as run:
        swipes.send(5, card=CANARY)
        swipes.send(2)
        wait_for(lambda: count(swipes, CANARY) == 5)
        until = datetime.now(UTC) - timedelta(seconds=1)
        erase(swipes)
        swipes.send(3, card=CANARY, at=until.isoformat())
        swipes.send(1)
        wait_for(lambda: any(report.erased >= 3 for report in run.reports))
        wait_for(lambda: count(swipes, "c1") == 4)
        wait_for(lambda: not count(swipes, CANARY))
    assert logged_cards(swipes) == ["c1"] * 3
    assert left(swipes) == {}


def test_a_store_restored_from_before_is_cleaned_by_the_next_worker(swipes: Swipes):
    swipes.send(4, card=CANARY)
    run_once(swipes)
    with closing(sqlite3.connect(swipes.root / "on.db")) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    before = (swipes.root / "on.db").read_bytes()
    erase(swipes)
    for name in ("on.db-wal", "on.db-shm"):
        (swipes.root / name).unlink(missing_ok=True)
    (swipes.root / "older.db").write_bytes(before)
    (swipes.root / "older.db").replace(swipes.root / "on.db")
    assert "lists of spend@1" in left(swipes)
    with running(swipes):
        wait_for(lambda: left(swipes) == {})
