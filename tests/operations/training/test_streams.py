"""Training sets on streams: features are what was known at each instant, by history and log; later rows are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.core.frames.timestamps import INSTANT
from featurectl.core.units import from_us, instant_us
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.engines.spill import SpillRoom
from featurectl.language.definitions.model import FeatureInput, Label, Spine
from featurectl.language.definitions.view import FeatureView
from featurectl.offline.base import OfflineTable
from featurectl.offline.stream_coverage import asof_of
from featurectl.operations.training.label import label_view, read_target
from featurectl.operations.training.later_rows import check_logged
from featurectl.operations.training.spine import SpineClocks, frame_spine, read_source_spine
from featurectl.operations.training.training_set import build_training_set
from featurectl.operations.views import BoundView
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.questions import StateQuestion, WindowQuestion
from featurectl.workspace.event_reader import selected_source
from tests.operations.materialize.event_streams import BEGIN, CARD, NEWEST, SECOND, SPEND, CardStream
from tests.operations.materialize.test_streams import play
from tests.seeds import seeds_from

ENGINE = PolarsEngine(1 << 26)
INPUTS = [
    FeatureInput(
        name=f"{view.name}_{feature.name}",
        view=view.name,
        feature=feature.name,
        join={"card": "card"},
        dtype=feature.dtype,
        model_dtype=feature.dtype,
    )
    for view in (SPEND, NEWEST)
    for feature in view.features
]


def bound(stream: CardStream, view: FeatureView, table: OfflineTable, *, as_served: bool = False) -> BoundView:
    """A view of a stream, as a training set reads it."""
    coverage, version = table.coverage(), table.version()
    assert coverage is not None
    assert version is not None
    return BoundView(
        view=replace(view, source=stream.source),
        version=1,
        stored=table,
        table_version=version,
        as_served=as_served,
        asof=asof_of(coverage),
    )


def random_spine(stream: CardStream, rows: int) -> pl.DataFrame:
    """Cards at random instants up to the log's asof, those of stamps and of events among them."""
    random, until = stream.random, stream.asof_us
    known = [instant_us(row["stamp"]) for row in stream.events] + [instant_us(row["at"]) for row in stream.events]  # type: ignore[arg-type]
    times = [random.choice([*known, random.randrange(BEGIN, until)]) for _ in range(rows)]
    times = [time if time <= until else random.randrange(BEGIN, until) for time in times]
    cards = [random.choice([None, "nobody", *(f"c{i}" for i in range(stream.cards))]) for _ in range(rows)]
    return pl.DataFrame({"card": cards, "event_time": pl.Series(times, dtype=pl.Int64).cast(INSTANT)})


def answers(stream: CardStream, view: FeatureView, asked: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """What was known at each row of a spine, found one by one."""
    every: dict[object, list[dict[str, object]]] = {}
    for row in stream.expected(view):
        every.setdefault(row["card"], []).append(row)
    return [_answer(view, every.get(row["card"], []), row) for row in asked]


def _answer(view: FeatureView, rows: Sequence[Mapping[str, object]], row: Mapping[str, object]) -> dict[str, object]:
    if view.kind == "state":
        states = [StateQuestion(name=f.name, column=str(f.column), fill_last=f.fill_last) for f in view.features]
        (found,) = states_naively(rows, [row], keys=["card"], time="event_time", questions=states, ttl_us=view.ttl_us)
        return {feature.name: found[feature.name] for feature in view.features}
    windows = [
        WindowQuestion(name=f.name, op=f.op, column=f.column, window_us=f.window_us, n=f.n) for f in view.features
    ]
    (found,) = windows_naively(rows, [row], keys=["card"], time="event_time", questions=windows)
    return found


def differing(have: pl.DataFrame, want: Sequence[Mapping[str, object]], view: FeatureView) -> list[object]:
    """The cells of a view that differ; sums may by their last bits."""
    found: list[object] = []
    for feature in view.features:
        for number, (is_value, value) in enumerate(
            zip(have[f"{view.name}_{feature.name}"].to_list(), (row[feature.name] for row in want), strict=True)
        ):
            is_float = isinstance(is_value, float) and isinstance(value, float)
            if is_value != (pytest.approx(value, rel=1e-12) if is_float else value):
                found.append((feature.name, number, is_value, value))
    return found


def check_training_set(stream: CardStream, rows: int) -> None:
    views = {view.name: bound(stream, view, stream.materialize(view)[1]) for view in (SPEND, NEWEST)}
    frame = random_spine(stream, rows)
    spine = frame_spine(frame, SpineClocks())
    check_logged(spine, views.values())
    made = build_training_set(ENGINE, spine, INPUTS, views, None).rows
    served = {name: replace(of, as_served=True) for name, of in views.items()}
    assert build_training_set(ENGINE, spine, INPUTS, served, None).rows.equals(made)
    for view in (SPEND, NEWEST):
        assert differing(made, answers(stream, view, frame.to_dicts()), view) == []


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("seed", seeds_from(0, 4))
def test_features_are_those_of_the_naive_reading_of_history_and_log(tmp_path: Path, seed: int):
    stream = CardStream(folder=tmp_path, random=Random(seed), dedup=seed % 2 == 0)
    play(stream, [SPEND, NEWEST], 60)
    check_training_set(stream, 300)


@pytest.fixture
def begun(tmp_path: Path) -> CardStream:
    """A stream with a history, of which one partition was logged later than the others."""
    stream = CardStream(folder=tmp_path, random=Random(5))
    stream.add_history(30)
    stream.begin()
    for number in range(40):
        stream.take(3)
        if number % 10 == 9:
            stream.commit([*stream.ends][: 3 if number > 30 else 4])
    return stream


def test_rows_later_than_the_log_are_refused_with_what_to_do(begun: CardStream):
    views = [bound(begun, SPEND, begun.materialize(SPEND)[1])]
    asof = from_us(begun.asof_us)
    times = [asof - timedelta(seconds=1), asof, asof + timedelta(microseconds=1), begun.now]
    spine = frame_spine(pl.DataFrame({"card": ["c1"] * 4, "event_time": times}), SpineClocks())
    with pytest.raises(
        DataError, match=r"2 rows are later than .*, up to which the table of spend@1 has all"
    ) as caught:
        check_logged(spine, views)
    assert caught.value.code == "FC509"
    assert "featurectl materialize spend takes what was logged since" in caught.value.hint
    check_logged(spine, views, asof)  # rows after that are left out
    check_logged(spine, [replace(views[0], pinned=True)])


def test_a_label_over_a_horizon_waits_for_the_log(begun: CardStream):
    label = Label(
        name="spent", expression=None, dtype="float64", entity=CARD, source=begun.source, op="sum", column="cents",
        horizon_us=20 * SECOND,
    )  # fmt: skip
    with SpillRoom() as room:
        target = read_target(ENGINE, label, lambda _: begun.reader(), begun.now, room)
        frame = random_spine(begun, 400)
        spine = frame_spine(frame, SpineClocks())
        made = build_training_set(ENGINE, spine, [], {}, target)
    rows = begun.expected(replace(label_view(label), where=None))
    assert target is not None
    assert target.ahead is not None
    assert target.ahead.watermark == from_us(begun.asof_us)
    want = [_spent(rows, asked, begun.asof_us) for asked in frame.to_dicts()]
    assert made.rows["spent"].to_list() == pytest.approx(want)
    assert 0 < made.missing.immature.sum() < 400


def _spent(rows: Sequence[Mapping[str, object]], asked: Mapping[str, object], asof_us: int) -> float | None:
    time = asked["event_time"]
    assert isinstance(time, datetime)
    end = time + timedelta(seconds=20)
    if asked["card"] is None or instant_us(end) > asof_us or time < min(row["event_time"] for row in rows):  # type: ignore[operator, type-var]
        return None
    inside = [row for row in rows if row["card"] == asked["card"] and time <= row["event_time"] < end]  # type: ignore[operator]
    values = [row["cents"] for row in inside if row["cents"] is not None]
    return float(sum(values)) if values else None  # type: ignore[arg-type]


def test_a_spine_of_a_stream_has_its_history_and_what_is_logged(begun: CardStream):
    source = selected_source(begun.source)
    spine = read_source_spine(begun.reader(), Spine(source=source, time="at"))
    cut, asof = begun.cut_us or 0, begun.asof_us
    names = {row["swipe"] for row in begun.history if instant_us(row["known_at"]) < cut}  # type: ignore[arg-type]
    stamped = [row for row in begun.events if instant_us(row["stamp"]) <= asof and not row["rejected"]]  # type: ignore[arg-type]
    assert set(spine.own["swipe"].to_list()) == names | {row["swipe"] for row in stamped}
    assert spine.own.columns == ["swipe", "card", "amount", "at", "cents", "available_at"]
    assert spine.own["available_at"].max() == max(row["stamp"] for row in stamped)  # type: ignore[type-var]
    assert spine.own["available_at"].is_sorted()
    assert begun.log.compact(begun.log.open())
    assert read_source_spine(begun.reader(), Spine(source=source, time="at")).own.equals(spine.own)


def check_many(folder: Path, seed: int, events: int, asked: int) -> None:
    """Let many events of many cards come, 5 % late, 2 % repeated, 1 % bad, and compare answers of some cards."""
    stream = CardStream(folder=folder, random=Random(seed), cards=events // 100, late=0.05, repeated=0.02, bad=0.01)
    stream.add_history(events // 10)
    stream.begin()
    for number in range(events // 50):
        stream.take(50)
        if number % 20 == 19:
            stream.commit(stream.random.sample([*stream.ends], stream.partitions))
        if number % 300 == 299:
            stream.materialize(SPEND)
    stream.commit([*stream.ends])
    check_training_set(stream, asked)


def test_many_events_give_what_the_naive_reading_gives(tmp_path: Path):
    check_many(tmp_path, 1, 2_000, 200)


@pytest.mark.stress
@pytest.mark.parametrize("seed", seeds_from(0, 3))
def test_a_hundred_thousand_events_give_what_the_naive_reading_gives(tmp_path: Path, seed: int):
    check_many(tmp_path, seed, 100_000, 5_000)
