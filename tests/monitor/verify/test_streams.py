"""What is online of a stream's view against its log; and what `status` and `why` say of such views."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.core.errors import DataError, StoreError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.progress import Silent
from featurectl.monitor.verify import compare_stream
from featurectl.monitor.verify.log_questions import Group, served_rows
from featurectl.monitor.verify.log_rows import TIME
from featurectl.monitor.verify.report import ViewSkew
from featurectl.monitor.verify.run_verify import VerifyStoreRequest, verify_views
from featurectl.monitor.verify.surroundings import surroundings
from featurectl.offline.delta import DeltaStore
from featurectl.operations.views import bind_view
from featurectl.streaming.log_writer import LogWriter
from tests.streaming.session.swipes import Swipes

pytestmark = pytest.mark.long  # each lets a worker run


def work(swipes: Swipes) -> None:
    assert main(["stream", "run", "-C", str(swipes.root), "-q", "--once"]) == 0


def verified(swipes: Swipes) -> ViewSkew:
    with swipes.workspace() as workspace:
        found = verify_views(workspace, VerifyStoreRequest(), Silent())
    if found.failures:
        raise found.failures[0].error
    [skew] = found.skews
    return skew


@pytest.fixture
def swipes(tmp_path: Path) -> Swipes:
    swipes = Swipes(root=tmp_path)
    swipes.send(12)
    swipes.send(5, card="c2")
    work(swipes)
    return swipes


def said(swipes: Swipes, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["-C", str(swipes.root), *words])
    found = capsys.readouterr()
    return code, found.out + found.err


def test_lists_equal_the_log(swipes: Swipes):
    skew = verified(swipes)
    assert (skew.entities, skew.differences, skew.note) == (2, 0, "")
    assert {item.compared for item in skew.features} == {2}


def spoil(swipes: Swipes, statement: str) -> None:
    """Change what is in the store behind everybody's back."""
    with closing(sqlite3.connect(swipes.root / "on.db")) as store:
        assert store.execute(statement).rowcount > 0
        store.commit()


def test_a_record_that_was_lost_is_found(swipes: Swipes):
    spoil(swipes, "delete from stream_elements where rowid = (select max(rowid) from stream_elements)")
    skew = verified(swipes)
    assert skew.differences > 0
    assert "by the log" in next(item.example for item in skew.features if item.mismatched)


def test_a_table_of_many_buckets_is_compared_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compare_stream, "DeltaStore", partial(DeltaStore, rows_per_bucket=4))
    monkeypatch.setattr(compare_stream, "_ROWS_AT_ONCE", 3)
    monkeypatch.setattr(compare_stream, "_PORTION", 2)
    swipes = Swipes(root=tmp_path)
    for card in range(20):
        swipes.send(2, card=f"c{card}")
    work(swipes)
    skew = verified(swipes)
    assert (skew.entities, skew.of, skew.differences, skew.unexpected) == (20, 20, 0, {})
    assert {item.compared for item in skew.features} == {20}
    spoil(swipes, "delete from stream_elements where entity in (cast('s2:c7' as blob), cast('s3:c11' as blob))")
    assert {item.mismatched for item in verified(swipes).features} == {2}


def test_what_is_in_no_log_is_unexpected(swipes: Swipes):
    spoil(swipes, "update stream_elements set entity = cast('s2:c9' as blob) where entity = cast('s2:c2' as blob)")
    assert verified(swipes).unexpected == {"unexpected row": 1}


def test_a_list_that_is_none_is_named(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    spoil(swipes, "update stream_elements set element = x'01' where entity = cast('s2:c1' as blob)")
    with pytest.raises(StoreError, match="spend@1 card=c1"):
        verified(swipes)
    code, text = said(swipes, capsys, "get", "spend", "card=c1")
    assert (code, "spend@1 card=c1" in text, "stream rebuild" in text) == (69, True, True)
    assert said(swipes, capsys, "get", "spend", "card=c2")[0] == 0


def test_a_view_that_no_worker_keeps_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    code, text = said(swipes, capsys, "status")
    assert (code, "not online: no worker has run" in text) == (1, True)
    code, text = said(swipes, capsys, "why", "spend")
    assert (code, "no worker has run: featurectl stream run swipes" in text) == (1, True)
    skew = verified(swipes)
    assert (skew.pushed, skew.note) == (False, "no worker has logged anything yet")
    swipes.send(1)
    work(swipes)
    (tmp_path / "on.db").unlink()
    with pytest.raises(DataError, match="is not online"):
        verified(swipes)


def test_what_was_served_in_a_gap_is_counted_apart(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    assert said(swipes, capsys, "materialize")[0] == 0
    with swipes.workspace() as workspace:
        log = workspace.event_log(workspace.repo.sources["swipes"])
        opened = log.open()
        asof_us = opened.state.asof_us
        assert asof_us is not None
        told = replace(opened.state, gaps=[(asof_us - 3_000, asof_us - 1_000)])
        assert log.commit(opened, LogWriter(log, log).nothing(), told)
        registered = workspace.state().view("spend", 1)
        assert registered is not None
        bound = bind_view(workspace.offline(), registered)
        known = surroundings(workspace, workspace.state(), bound, None)
        asofs = pl.Series([asof_us - ago for ago in (3_000, 2_000, 1_000, 0)]).cast(INSTANT)
        columns = {"card": ["c1"] * 4, "feature.n": [17] * 4, "status.n": ["PRESENT"] * 4}
        served = pl.DataFrame({**columns, TIME: asofs, "computed_at.spend@1": asofs})
        group = Group(view="spend", version=1, join={"card": "card"}, names={"n": "amount_count_1h"})
        _, reasons = served_rows(group, bound, served, known)
    in_gap = "its stream had lost stamps by then, as its log says"
    assert reasons.to_list() == [None, in_gap, in_gap, None]


def test_what_is_online_is_as_old_as_its_asof(swipes: Swipes, capsys: pytest.CaptureFixture[str]):
    code, text = said(swipes, capsys, "status")
    assert (code, "OK" in text, "not materialized yet" in text) == (0, True, True)
    assert said(swipes, capsys, "materialize")[0] == 0
    code, text = said(swipes, capsys, "why", "spend", "card=c1")
    assert (code, "amount_count_1h  13" in text) == (0, True)
