"""Events of erased keys: they leave lists, log and rejected events, come in no more, and are in nothing made anew."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
import redis

from featurectl.cli.main import main
from featurectl.erasure.online_store import OnlineStorePlace
from featurectl.erasure.stream_logs import StreamLogsPlace
from featurectl.erasure.stream_state import StreamStatePlace
from featurectl.erasure.topics import TopicsPlace
from featurectl.offline.erased_log import LogEraser
from featurectl.offline.event_log import OpenedLog
from tests.erasure.erasing import bury, files_with, request_of
from tests.seeds import seeds_from
from tests.streaming.session.running import running
from tests.streaming.session.swipes import OBJECTS, Swipes, wait_for

CANARY = "canary-77aa"
CARDS = ("a1", "b2", "c3")
PLACES = (TopicsPlace, StreamLogsPlace, StreamStatePlace, OnlineStorePlace)


@pytest.fixture
def swipes(tmp_path: Path) -> Swipes:
    return Swipes(root=tmp_path)


def erase(swipes: Swipes, card: str = CANARY, *, again: bool = False) -> Mapping[str, int]:
    """Erase a card, or do it over for all, and return how much was removed of each place."""
    with swipes.workspace() as workspace:
        values = {} if again else {bury(workspace, "card", {"card": card}).number: {"card": card}}
        request = request_of(workspace, values)
        return {item.place: item.rows for place in PLACES for item in place().erase(request) if item.rows}


def count(swipes: Swipes, card: str, view: str = "spend@1") -> object:
    """How many swipes of an hour a view counts of a card; 0 where it knows none."""
    return (swipes.values(card, view) or {}).get("amount_count_1h") or 0


def left(swipes: Swipes) -> Mapping[str, int]:
    """How much is left outside of topics, where somebody may send old events again."""
    with swipes.workspace() as workspace:
        request = request_of(workspace)
        return {item.place: item.rows for place in PLACES[1:] for item in place().look(request) if item.rows}


def run_once(swipes: Swipes) -> None:
    assert main(["-C", str(swipes.root), "stream", "run", "--once", "-q"]) == 0


def logged_cards(swipes: Swipes) -> list[str]:
    with swipes.workspace() as workspace:
        log = workspace.event_log(workspace.repo.sources["swipes"])
        frames = [*log.read_rows(log.open(), ["card"])]
    return pl.concat(frames)["card"].to_list() if frames else []


@pytest.mark.long
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
        "log of stream swipes": 6,  # two say that an event was rejected, and why
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


@pytest.mark.long
def holds(path: Path) -> bool:
    rows = pl.read_parquet(path)
    return "card" in rows.columns and CANARY in rows["card"].to_list()


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
def test_what_was_sent_before_and_is_read_after_is_left_out(swipes: Swipes):
    swipes.send(3, card=CANARY)
    erase(swipes)
    swipes.send(1)
    run_once(swipes)
    assert logged_cards(swipes) == ["c1"]
    assert left(swipes) == {}


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
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


class KilledError(Exception):
    """What a test raises where an erasure is killed."""


STEPS = (
    "featurectl.offline.erased_log.LogEraser._commit",
    "featurectl.offline.erased_log.LogEraser._remove_old",
    "featurectl.online.stream_sql.lists.SqlStateLists.replace",
    "featurectl.online.sqlite.file.DatabaseFile.wipe",
)


@pytest.mark.long
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.sample(1)
def test_an_erasure_that_was_killed_is_done_over(swipes: Swipes, step: str, monkeypatch: pytest.MonkeyPatch):
    swipes.send(3, card=CANARY)
    swipes.send(2)
    run_once(swipes)

    def killed(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(step, killed)
        with pytest.raises(KilledError):
            erase(swipes)
    erase(swipes, again=True)
    assert (left(swipes), files_with(swipes.root, CANARY), count(swipes, CANARY)) == ({}, [], 0)
    assert [path for path in (swipes.root / "off").rglob("part-*.parquet") if holds(path)] == []
    run_once(swipes)
    assert (logged_cards(swipes), count(swipes, "c1")) == (["c1"] * 2, 3)


@pytest.mark.long
def test_an_erasure_begins_anew_where_another_one_took_its_files(swipes: Swipes, monkeypatch: pytest.MonkeyPatch):
    for card in (CANARY, "b2"):
        swipes.send(2, card=card)
        run_once(swipes)
    whole, others = getattr(LogEraser, "_found"), [True]  # noqa: B009  # a step of it, as STEPS are

    def first_another(eraser: LogEraser, opened: OpenedLog) -> Iterator[tuple[str, int, int]]:
        while others:
            others.pop()
            erase(swipes, again=True)
        return whole(eraser, opened)

    monkeypatch.setattr(LogEraser, "_found", first_another)
    erase(swipes)
    assert (others, left(swipes), logged_cards(swipes)) == ([], {}, ["b2"] * 2)


@pytest.mark.long
@pytest.mark.parametrize("seed", seeds_from(0, 8))
@pytest.mark.sample(1)
def test_random_histories_end_as_those_without_the_erased_events(swipes: Swipes, seed: int):
    """The oracle counts the events that were sent, without those of before the erasures of their cards."""
    chance = random.Random(seed)
    sent, until = list[tuple[str, datetime]](), dict[str, datetime]()
    with running(swipes):
        for _ in range(6):
            for _ in range(chance.randint(0, 5)):
                card, at = chance.choice(CARDS), datetime.now(UTC) - timedelta(seconds=chance.choice([0, 0, 90]))
                swipes.send(1, card=card, at=at.isoformat())
                sent.append((card, at))
            if chance.random() < 0.4:
                wait_for(partial(all_counted, swipes, [*sent], until))
            if chance.random() < 0.4:
                card = chance.choice(CARDS)
                erase(swipes, card)
                sent = [each for each in sent if each[0] != card]
                until[card] = datetime.now(UTC)
        wait_for(partial(all_counted, swipes, sent, until))
    run_once(swipes)
    assert all_counted(swipes, sent, until)
    assert left(swipes) == {}


def all_counted(swipes: Swipes, sent: list[tuple[str, datetime]], until: Mapping[str, datetime]) -> bool:
    """Whether the lists count what was sent of each card and is no earlier than its erasure."""
    kept = [card for card, at in sent if card not in until or at > until[card]]
    return all(count(swipes, card) == kept.count(card) for card in CARDS)


STORES = ["redis_url", "redis_cluster_url", "postgres_url"]


@pytest.mark.long
@pytest.mark.parametrize("store", STORES)
@pytest.mark.sample(1)
def test_lists_in_servers_lose_erased_events(store: str, tmp_path: Path, request: pytest.FixtureRequest):
    url = request.getfixturevalue(store)
    empty(url)
    swipes = Swipes(root=tmp_path, online=url)
    swipes.send(3)
    swipes.send(4, card=CANARY)
    run_once(swipes)
    assert count(swipes, CANARY) == 4
    assert CANARY.encode() in whole(url)
    assert erase(swipes)["lists of spend@1"] == 1
    assert CANARY.encode() not in whole(url)
    assert (count(swipes, CANARY), count(swipes, "c1")) == (0, 4)
    swipes.send(2, card=CANARY)
    run_once(swipes)
    assert (count(swipes, CANARY), left(swipes)) == (2, {})
    empty(url)  # what is lost is made of the log, and the history
    run_once(swipes)
    assert (count(swipes, CANARY), count(swipes, "c1"), left(swipes)) == (2, 4, {})


def opened_redis(url: str) -> Any:
    if "+cluster" in url:
        return redis.RedisCluster.from_url(re.sub(r"\+cluster|,[^/]*", "", url))
    return redis.Redis.from_url(url)


def empty(url: str) -> None:
    """Lose all that the project has in a store."""
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as session:
            session.execute("drop schema if exists featurectl_online cascade")
        return
    with closing(opened_redis(url)) as client:
        for key in [*client.scan_iter("shop/*")]:
            client.delete(key)


def whole(url: str) -> bytes:
    """Everything that a store has of the project: keys, and values as it gives them out."""
    if not url.startswith("postgresql"):
        with closing(opened_redis(url)) as client:
            keys = [*client.scan_iter("shop/*")]
            return b"\n".join([*keys, *(client.dump(key) or b"" for key in keys)])
    with psycopg.connect(url) as session:
        rows = session.execute("select entity, element from featurectl_online.stream_elements").fetchall()
    return b"\n".join(bytes(part) for row in rows for part in row)


@pytest.mark.long
def test_the_command_leaves_nothing_of_a_card_in_any_place(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> str:
        capsys.readouterr()
        assert main(["-C", str(swipes.root), *words]) == 0
        return capsys.readouterr().out

    swipes.send(3, card=CANARY)
    swipes.send(1, card=CANARY, amount=5_000)
    swipes.send(2)
    run_once(swipes)
    run("materialize", "-q")
    with running(swipes):
        dry = json.loads(run("erase", "card", f"card={CANARY}", "--dry-run", "-q", "-o", "json"))["result"]
        done = json.loads(run("erase", "card", f"card={CANARY}", "-q", "-o", "json"))["result"]
        wait_for(lambda: count(swipes, CANARY) == 0)
    rows = {place["place"]: place["found"] for place in done["places"]}
    assert rows == {place["place"]: place["found"] for place in dry["places"]}
    assert rows == {
        "topic swipes of stream swipes": 4,
        "log of stream swipes": 4,
        "rejected events of stream swipes": 1,
        "offline table spend@1": 3,
        "lists of spend@1": 1,
    }
    assert files_with(swipes.root, CANARY) == []
    assert [path for path in (swipes.root / "off").rglob("*.parquet") if holds(path)] == []
    run("materialize", "--full", "-q")
    assert [path for path in (swipes.root / "off").rglob("*.parquet") if holds(path)] == []
    assert json.loads(run("erase", "--again", "-q", "-o", "json"))["result"]["places"] == []


def test_of_topics_elsewhere_it_is_said_how_long_they_keep(tmp_path: Path, redis_url: str):
    empty(redis_url)
    swipes = Swipes(root=tmp_path, streams=redis_url)
    swipes.send(2, card=CANARY)
    with swipes.workspace() as workspace:
        bury(workspace, "card", {"card": CANARY})
        [found] = TopicsPlace().erase(request_of(workspace))
    note = "its messages stay for its retention (7d by the source's definition); workers leave them out"
    assert (found.rows, found.notes) == (0, (note,))
    run_once(swipes)
    assert (logged_cards(swipes), left(swipes)) == ([], {})
