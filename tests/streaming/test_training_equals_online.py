"""What was read online is what a training set says at that instant, by tables that grew while events came."""

from __future__ import annotations

from pathlib import Path
from random import Random

import polars as pl
import pytest

from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us
from featurectl.engines.base import ViewBuckets
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.offline.base import OfflineTable
from featurectl.offline.delta import DeltaStore
from featurectl.online.all_stores import open_stream_state
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.streams import materialize_stream
from featurectl.streaming.topics.all_topic_kinds import open_topics
from featurectl.workspace.event_reader import EventSourceReader
from tests.seeds import seeds_from
from tests.streaming.conveyor import Conveyor
from tests.streaming.truth import same

ENGINE = PolarsEngine(1 << 26)


def conveyor_in(folder: Path, seed: int) -> Conveyor:
    return Conveyor(
        random=Random(seed),
        broker=open_topics(f"sqlite:///{folder / 'streams.db'}"),
        open_state=lambda clock: open_stream_state(f"sqlite:///{folder / 'online.db'}", clock=clock),
        folder=folder,
    )


def materialize(conveyor: Conveyor, name: str) -> OfflineTable:
    """Bring the table of a view up to the log."""
    view, (label, version) = conveyor.views[name], name.split("@")
    table = DeltaStore(str(conveyor.folder / "offline"), "shop").table(label, int(version), view.key_types)
    reader = EventSourceReader(source=conveyor.source, log=conveyor.log)
    run = MaterializeRun(view=view, version=int(version), reader=reader, table=table)
    materialize_stream(ENGINE, run, from_us(conveyor.clock_us))
    return table


def differing(conveyor: Conveyor, name: str) -> tuple[list[str], int]:
    """The answers of a view that a training set gives otherwise, and how many values were compared.

    Those in gaps are left out, and those later than the log is.
    """
    view, state = conveyor.views[name], conveyor.log.open().state
    gaps, asof_us = state.gaps, state.asof_us or 0
    told = [of for of in conveyor.answered if of.view == name and of.at_us <= asof_us]  # later rows are refused
    told = [of for of in told if not any(after < of.at_us <= until for after, until in gaps)]
    (key,) = view.keys
    times = pl.Series("t", [of.at_us for of in told], dtype=pl.Int64).cast(INSTANT)
    spine = pl.DataFrame([pl.Series(key, [of.key for of in told], dtype=pl.String), times])
    table = materialize(conveyor, name)
    answers = ENGINE.answer(ViewBuckets(view=view, buckets=1, read=lambda _: table.read()), spine, "t").to_dicts()
    empty = dict.fromkeys(feature.name for feature in view.features)
    wrong = [f"{of} is {truth}" for of, truth in zip(told, answers, strict=True) if not same(of.values or empty, truth)]
    return wrong, len(told) * len(view.features)


@pytest.mark.sample(1)
@pytest.mark.parametrize("seed", seeds_from(0, 3))
def test_what_was_read_is_what_a_training_set_says(tmp_path: Path, seed: int):
    conveyor, compared = conveyor_in(tmp_path, seed), 0
    try:
        while len(conveyor.answered) < 60:  # which no history is too short for
            for _ in range(100):
                conveyor.step()
            for name in conveyor.views:
                materialize(conveyor, name)
        conveyor.drain()
        for name in conveyor.views:
            wrong, of_view = differing(conveyor, name)
            assert wrong == []
            compared += of_view
    finally:
        conveyor.close()
    assert compared > 100


@pytest.mark.stress
def test_what_was_read_is_what_a_training_set_says_in_many_histories(tmp_path: Path):
    for seed in seeds_from(3, 30):
        folder = tmp_path / str(seed)
        folder.mkdir()
        test_what_was_read_is_what_a_training_set_says(folder, seed)
