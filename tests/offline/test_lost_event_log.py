"""A log of events that is taken away while somebody writes or opens it."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from featurectl.core.errors import StoreError
from featurectl.offline import event_log
from featurectl.offline.event_log import EventLog
from tests.offline.test_event_log import COLUMNS, add, offsets


@pytest.fixture
def log(tmp_path: Path) -> EventLog:
    return EventLog(location=str(tmp_path / "log"), columns=COLUMNS, shown="offline/log")


@pytest.mark.parametrize("again", ["nothing", "a folder"])
def test_a_commit_to_a_log_that_was_taken_away_is_undone(log: EventLog, again: str):
    for count in (2, 3):
        assert add(log, log.open(), "t/0#1", count)
    opened = log.open()
    folder = Path(log.location)
    folder.rename(folder.with_name("lost"))
    if again == "a folder":
        folder.mkdir()
    assert not add(log, opened, "t/0#1", 4)
    assert log.open().version is None
    assert not list(folder.glob("*.parquet"))
    assert add(log, log.open(), "t/0#1", 1)
    assert offsets(log) == {"t/0#1": [0]}


def test_what_is_left_of_a_log_without_a_beginning_is_no_log(log: EventLog):
    assert add(log, log.open(), "t/0#1", 2)
    assert add(log, log.open(), "t/0#1", 2)
    (Path(log.location) / "_delta_log" / f"{0:020}.json").unlink()
    assert log.open().version is None
    while not add(log, log.open(), "t/0#1", 1):  # the first try removes it
        pass
    assert offsets(log) == {"t/0#1": [0]}


def test_a_log_taken_away_while_it_is_opened_is_an_error_of_the_store(log: EventLog, monkeypatch):
    assert add(log, log.open(), "t/0#1", 2)
    state_text = event_log._state_text  # noqa: SLF001

    def taken_away(table: DeltaTable) -> str | None:
        text = state_text(table)
        Path(log.location).rename(Path(log.location).with_name("lost"))
        return text

    monkeypatch.setattr(event_log, "_state_text", taken_away)
    with pytest.raises(StoreError, match="can't be read"):
        log.open()
