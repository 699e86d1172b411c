"""What new lists are made of is read once, whatever does not fit into memory, and nothing of that is left."""

from __future__ import annotations

import resource
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import polars as pl
import pytest

from featurectl.core.errors import StoreError
from featurectl.expressions.check import type_expression
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import NamedExpression
from featurectl.offline.event_log import EventLog, LoggedPartition, LogState, OpenedLog
from featurectl.online.all_stores import open_stream_state
from featurectl.streaming import seed_events, seeding
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.log_writer import LogWriter
from featurectl.streaming.seed_events import SeededView, SeedEvents
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.streaming.view_records import ViewRecords
from tests.streaming.conveyor import COLUMNS, SOURCE, VIEWS, Conveyor
from tests.warm import WarmProcess

NAME, EVENTS, CARDS = "swipes/0#1", 400, 23


@dataclass(kw_only=True)
class WatchedLog(EventLog):
    """A log that counts the rows which were read of it."""

    rows_read: int = 0

    def read_rows(
        self, opened: OpenedLog, columns: Sequence[str], after: Mapping[str, int] | None = None
    ) -> Iterator[pl.DataFrame]:
        for frame in super().read_rows(opened, columns, after):
            self.rows_read += frame.height
            yield frame


@pytest.fixture
def log(tmp_path: Path) -> WatchedLog:
    made = WatchedLog(location=str(tmp_path / "log"), columns=COLUMNS, shown="log")
    rows = LogWriter(made, made).nothing()
    values = {
        "_partition": [NAME] * EVENTS,
        "_offset": range(EVENTS),
        "_available_at": [1_000 + i for i in range(EVENTS)],
        "_rejected": [None if i % 10 else "no JSON" for i in range(EVENTS)],
        "swipe": range(EVENTS),
        "card": [f"c{i % CARDS}" if i % 7 else None for i in range(EVENTS)],
        "shop": ["s1"] * EVENTS,
        "arr_delay": [float(i) for i in range(EVENTS)],
        "at": range(EVENTS),
    }
    frame = pl.DataFrame({name: pl.Series([*values[name]]).cast(dtype) for name, dtype in rows.schema.items()})
    state = LogState(partitions={NAME: LoggedPartition(first=0, end=EVENTS, applied_us=9_999)})
    assert made.commit(made.open(), frame, state)
    return made


def seeded_view(tmp_path: Path, *, is_made: bool = False) -> SeededView:
    """A view by card, whose key stands in a column, or is made of one."""
    made = NamedExpression(name="card", expression=type_expression("card", COLUMNS), dtype="string")
    source = replace(SOURCE, select=(made,)) if is_made else SOURCE
    view = replace(VIEWS["spend@1"], source=source)
    return SeededView(name="spend@1", view=view, source=source, spill=tmp_path / "spill")


def parts_of(seeded: SeededView, log: EventLog) -> list[list[tuple[bytes, int]]]:
    """The entity and the offset of each event, by part."""
    records = ViewRecords(seeded.view, EventDecoder(seeded.source))
    events = SeedEvents(seeded, log, log.open(), {NAME: 0}, {0: EVENTS - 50})
    found = []
    with events.laid_apart(records.entity, lambda: None) as laid:
        for part in laid.parts():
            mine = [(records.entity(event.row), event.offset) for event in part]
            found.append([(entity, offset) for entity, offset in mine if entity is not None])
    return found


@pytest.mark.parametrize("is_made", [False, True])
def test_a_log_is_read_once_whatever_parts_it_makes(
    tmp_path: Path, log: WatchedLog, monkeypatch: pytest.MonkeyPatch, *, is_made: bool
):
    monkeypatch.setattr(seed_events, "ROWS_AT_ONCE", 30)
    monkeypatch.setattr(seed_events, "MEMORY_BYTES", 2_000)
    (tmp_path / "spill" / "spill-999999999-killed").mkdir(parents=True)
    parts = parts_of(seeded_view(tmp_path, is_made=is_made), log)
    assert log.rows_read == EVENTS
    assert len(parts) == 16
    wanted = {
        (f"s{len(card)}:{card}".encode(), i)
        for i in range(EVENTS - 50)
        if i % 10 and i % 7
        for card in [f"c{i % CARDS}"]
    }
    assert Counter(pair for part in parts for pair in part) == Counter(wanted)
    of_entity = Counter(entity for part in parts for entity in {entity for entity, _ in part})
    assert {*of_entity.values()} == {1}
    assert [*(tmp_path / "spill").iterdir()] == []


def test_a_view_without_keys_has_one_part(tmp_path: Path, log: WatchedLog, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(seed_events, "ROWS_AT_ONCE", 30)
    seeded = seeded_view(tmp_path)
    view = replace(seeded.view, entity=Entity(name="all", keys={}), join={})
    parts = parts_of(replace(seeded, view=view), log)
    assert [{entity for entity, _ in part} for part in parts] == [{b""}]
    assert sorted(offset for _, offset in parts[0]) == [i for i in range(EVENTS - 50) if i % 10]


@pytest.mark.long
def test_a_disk_without_room_is_told_and_nothing_is_left(tmp_path: Path, log: WatchedLog):
    with WarmProcess(_spilled, str(tmp_path), log.location) as process:
        code, said = process.end()
    assert (code, [*(tmp_path / "spill").iterdir()]) == (0, []), said
    assert "events of spend@1 that do not fit into memory can't be kept in" in said
    assert "make room on the disk" in said


def _spilled(folder: str, location: str) -> int:
    """Lay a log apart where no file may be long."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    seed_events.MEMORY_BYTES = 2_000  # type: ignore[misc]
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, resource.RLIM_INFINITY))
    try:
        parts_of(seeded_view(Path(folder)), EventLog(location=location, columns=COLUMNS, shown="log"))
    except StoreError as error:
        sys.stdout.write(f"{error.message} {error.hint}")
        return 0
    return 1


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_lists_of_many_parts_and_of_long_entities_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int):
    for module, name, value in [
        (seed_events, "ROWS_AT_ONCE", 7), (seed_events, "MEMORY_BYTES", 2_000), (seeding, "FOLDED_AT_ONCE", 3),
    ]:  # fmt: skip
        monkeypatch.setattr(module, name, value)
    conveyor = Conveyor(
        random=Random(seed),
        broker=open_topics(f"sqlite:///{tmp_path / 'streams.db'}"),
        open_state=lambda clock: open_stream_state(f"sqlite:///{tmp_path / 'online.db'}", clock=clock),
        folder=tmp_path,
    )
    try:
        for _ in range(300):
            conveyor.step()
        conveyor.drain()
        wrong, compared = conveyor.wrong()
    finally:
        conveyor.close()
    assert wrong == []
    assert conveyor.switches >= 3
    assert compared > 80
