"""What `why` tells of a view of a stream: its topic, who works on it, and which of both is to blame."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.streaming.session.running import running
from tests.streaming.session.swipes import Swipes, wait_for


def rows_of(page: str) -> dict[str, list[str]]:
    """The words of the rows of a page by their first word."""
    return {words[0]: words for words in (line.split() for line in page.splitlines()) if words}


def last_event(root: Path, capsys: pytest.CaptureFixture[str]) -> datetime | None:
    """When `status` says that the last event of the view was; None while it does not know."""
    capsys.readouterr()
    main(["-C", str(root), "status", "-o", "json"])
    [row] = [row for row in json.loads(capsys.readouterr().out)["result"]["rows"] if row["name"] == "spend"]
    return datetime.fromisoformat(row["last_event"]) if row["last_event"] else None


def newest_in(swipes: Swipes) -> datetime:
    """When the last event was by the rows of the log."""
    with swipes.workspace() as workspace:
        log = workspace.event_log(workspace.repo.sources["swipes"])
        found = pl.concat(log.read_rows(log.open(), ["at"]))["at"].max()
    assert isinstance(found, datetime)
    return found


@pytest.mark.long
def test_a_view_tells_how_far_its_topic_and_who_works_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(3)
    assert main(["-C", str(tmp_path), "materialize", "-q"]) == 0

    def why() -> str:
        capsys.readouterr()
        main(["-C", str(tmp_path), "why", "spend"])
        return capsys.readouterr().out

    with running(swipes):
        wait_for(lambda: swipes.logged() == 3)
        wait_for(lambda: rows_of(why())["workers"][-4:] == ["1", "on", "4", "partitions"])
        wait_for(lambda: rows_of(why())["topic"][-2:] == ["0", "unread"])
        wait_for(lambda: last_event(tmp_path, capsys) == newest_in(swipes))
    swipes.send(2)
    rows = rows_of(why())
    assert (rows["topic"][-2:], rows["workers"][-1]) == (["2", "unread"], "none")
    capsys.readouterr()
    main(["-C", str(tmp_path), "why", "spend", "-o", "json"])
    stream = json.loads(capsys.readouterr().out)["result"]["stream"]
    assert (stream["source"], stream["unread"], stream["workers"]) == ("swipes", 2, {})
    (tmp_path / "streams.db").unlink()
    page = why()
    assert "cause: the topic of swipes can't be read: " in page
    assert rows_of(page)["topic"][1] == "ERROR:"
