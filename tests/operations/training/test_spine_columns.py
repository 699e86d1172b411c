"""A spine's own columns stand in a training set as they were, whatever their types; features see the language's."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError
from featurectl.core.frames.types import language_dtype, polars_dtype
from featurectl.engines.base import FrameScan, Piece
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.engines.polars.prepare import prepare_rows
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.model import FeatureInput, Label, RequestInput, Spine
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.offline.base import Coverage
from featurectl.offline.delta import DeltaStore
from featurectl.operations.outputs.write_table import write_table
from featurectl.operations.training.label import LabelTarget
from featurectl.operations.training.spine import (
    Cut,
    SpineClocks,
    SpineRows,
    cut_spine,
    file_source,
    read_file_spine,
    read_source_spine,
)
from featurectl.operations.training.training_set import build_training_set
from featurectl.operations.views import BoundView
from featurectl.sources.open import open_source
from tests.definitions import DELAYS
from tests.frames import assert_same, columns, frames
from tests.seeds import examples

T0 = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
DAY_US = 86_400_000_000
KEYS = ("carrier", "event_time", "distance", "n")
NUMBERS = [pl.Int8(), pl.UInt16(), pl.Int64(), pl.UInt64(), pl.Float32(), pl.Float64()]
COUNT = FeatureInput(
    name="made_count", view="delays", feature="count_1d", join={"carrier": "carrier"}, dtype="int64",
    model_dtype="int64",
)  # fmt: skip
INPUTS = (RequestInput(name="distance", dtype="float64", model_dtype="float64"), COUNT)


@pytest.fixture(scope="module")
def views(tmp_path_factory) -> dict[str, BoundView]:
    schema: dict[str, Any] = {
        "carrier": pl.String,
        "origin": pl.String,
        "arr_delay": pl.Float64,
        "at": INSTANT,
        "known_at": INSTANT,
    }
    data = [("A", "JFK", float(h), T0 + timedelta(hours=h), T0 + timedelta(hours=h)) for h in range(20)]
    rows = prepare_rows(
        [Piece(scan=FrameScan(rows=pl.LazyFrame(data, schema, orient="row")), until=T0 + timedelta(99))], DELAYS
    ).rows
    table = DeltaStore(str(tmp_path_factory.mktemp("off")), "p").table("delays", 1, {"carrier": "string"})
    table.replace(rows, Coverage())
    return {"delays": BoundView(view=DELAYS, version=1, stored=table, table_version=0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("spines")


@st.composite
def spine_frames(draw: st.DrawFn) -> pl.DataFrame:
    """A random frame with a key, a time of some type near T0, a request column and the number of each row."""
    frame = draw(frames())
    height = frame.height
    carriers = draw(st.lists(st.sampled_from(["A", "Z", None]), min_size=height, max_size=height))
    key = pl.Series("carrier", carriers, dtype=pl.String).cast(
        draw(st.sampled_from([pl.String(), pl.Categorical(), pl.Enum(["A", "Z"])]))
    )
    hours = draw(st.lists(st.none() | st.integers(-30, 50), min_size=height, max_size=height))
    unit, zone = draw(st.sampled_from(["ms", "us", "ns"])), draw(st.sampled_from([None, "UTC", "Asia/Tokyo"]))
    time = pl.Series("event_time", [None if h is None else T0 + timedelta(hours=h) for h in hours], dtype=INSTANT)
    time = time.dt.convert_time_zone(zone) if zone else time.dt.replace_time_zone(None)
    time = time.cast(draw(st.sampled_from([pl.Datetime(unit, zone), pl.Date()])))  # type: ignore[arg-type]
    miles = draw(st.lists(st.none() | st.integers(0, 99), min_size=height, max_size=height))
    distance = pl.Series("distance", miles, dtype=pl.Int64).cast(draw(st.sampled_from(NUMBERS)))
    made = frame.with_columns(key, time, distance, pl.Series("n", range(height), dtype=pl.UInt8))
    return made.select(draw(st.permutations(made.columns)))


def instants_us(time: pl.Series) -> list[int | None]:
    """The naive reading of a time: its own number, in microseconds since 1970; a naive one is in UTC."""
    numbers = time.to_physical().to_list()
    if time.dtype == pl.Date:
        return [None if v is None else v * DAY_US for v in numbers]
    return [
        None if v is None else v * 1000 // {"ms": 1, "us": 1000, "ns": 10**6}[time.dtype.time_unit]  # type: ignore[attr-defined]
        for v in numbers
    ]


def read(frame: pl.DataFrame, folder: Path) -> SpineRows:
    path = folder / "spine.parquet"
    frame.write_parquet(path)
    return read_file_spine(open_source(file_source(path), folder), path, SpineClocks())


def cuts() -> st.SearchStrategy[Cut]:
    hours = st.lists(st.integers(-30, 50), min_size=2, max_size=2, unique=True).map(sorted)
    ends = st.tuples(hours, st.booleans(), st.booleans())
    return st.builds(
        lambda ends, sample, seed: Cut(
            since=T0 + timedelta(hours=ends[0][0]) if ends[1] else None,
            until=T0 + timedelta(hours=ends[0][1]) if ends[2] else None,
            sample=sample,
            seed=seed,
        ),
        ends,
        st.sampled_from([1.0, 1.0, 0.5]),
        st.integers(0, 9),
    )


many = settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.long
@many
@given(spine_frames(), cuts())
def test_columns_of_a_file_come_out_as_they_are_however_the_spine_is_cut(views, folder, frame, cut):
    spine = cut_spine(read(frame, folder), cut)
    made = build_training_set(PolarsEngine(1), spine, INPUTS, views, None)
    taken = made.rows["n"].to_list()
    assert taken == sorted(set(taken))
    expected = frame[taken]
    assert_same(made.rows.drop("made_count"), expected)
    times = instants_us(frame["event_time"])
    low, high = (None if edge is None else int(edge.timestamp() * 10**6) for edge in (cut.since, cut.until))
    inside = [
        i for i, t in enumerate(times)
        if (low is None or (t is not None and t >= low)) and (high is None or (t is not None and t < high))
    ]  # fmt: skip
    assert taken == inside if cut.sample == 1.0 else set(taken) <= set(inside)
    assert made.values["distance"].to_list() == [None if v is None else float(v) for v in expected["distance"]]
    assert (
        made.rows["made_count"].to_list()
        == made.values["made_count"].to_list()
        == [counted(carrier, times[i]) for carrier, i in zip(expected["carrier"], taken, strict=True)]
    )
    write_table(made.rows, folder / "out.parquet")
    assert_same(pl.read_parquet(folder / "out.parquet"), made.rows)


def counted(carrier: str | None, time_us: int | None) -> int | None:
    """How many of A's rows, one an hour from T0 on, lie in the day before a time."""
    if carrier is None or time_us is None:
        return None
    start = int(T0.timestamp() * 10**6)
    rows = range(start, start + 20 * DAY_US // 24, DAY_US // 24) if carrier == "A" else []
    return sum(time_us - DAY_US <= row < time_us for row in rows)


@pytest.mark.long
@many
@given(spine_frames(), st.booleans(), st.booleans())
def test_columns_of_a_source_come_out_as_they_are_beside_its_select(folder, frame, repeats, hides):
    frame = frame.with_columns(k=pl.col("n") // 2)
    frame.write_parquet(folder / "source.parquet")
    source = Source(
        name="s",
        format="parquet",
        path="source.parquet",
        event_time="event_time",
        timezone="America/New_York",
        dedup_key=("k",) if repeats else (),
        select=(selected("far", "distance > 50"), *([selected("c0", "n + 1")] if hides else [])),
    )
    spine = Spine(source=source, time="event_time", where=Expression("n >= 2"))
    read = read_source_spine(open_source(source, folder), spine)
    taken = read.own["n"].to_list()
    expected = frame[taken]
    if hides:
        expected = expected.with_columns(c0=pl.Series([n + 1 for n in taken], dtype=pl.Int64))
    far = [None if v is None else v > 50 for v in expected["distance"]]
    assert_same(read.own, expected.with_columns(far=pl.Series(far, dtype=pl.Boolean)))
    assert read.rows["n"].to_list() == taken == sorted(taken)
    assert set(taken) == set(range(2, frame.height)) or repeats
    assert [n // 2 for n in taken] == list(range(1, (frame.height + 1) // 2)) or not repeats
    wall = expected["event_time"]
    if wall.dtype == pl.Date:
        wall = wall.cast(pl.Datetime("us"))
    if wall.dtype.time_zone is None:
        wall = wall.dt.replace_time_zone("America/New_York")
    assert [None if t is None else int(t.timestamp() * 10**6) for t in read.time] == instants_us(wall)


def selected(name: str, text: str) -> NamedExpression:
    return NamedExpression(name=name, expression=Expression(text), dtype=None)


@many
@given(st.data())
def test_a_label_of_any_number_stands_last_as_it_is_and_the_model_reads_it(views, folder, data):
    dtype = data.draw(st.sampled_from(["UInt8", "Int16", "UInt64", "Float32", "Boolean", "Decimal"]))
    outcome = data.draw(columns("outcome", dtype, 3))
    frame = pl.DataFrame([pl.Series("carrier", ["A"] * 3), outcome, pl.Series("event_time", [T0] * 3)])
    spine = read(frame, folder)
    label = Label(name="outcome", expression=None, dtype=None)
    if "outcome" not in spine.rows.columns:
        with pytest.raises(DataError, match="label outcome: column outcome is UInt64, must be int64: "):
            build_training_set(PolarsEngine(1), spine, [COUNT], views, LabelTarget(label=label))
        return
    made = build_training_set(PolarsEngine(1), spine, [COUNT], views, LabelTarget(label=label))
    assert made.rows.columns == ["carrier", "event_time", "made_count", "outcome"]
    assert_same(made.rows.select("outcome"), frame.select("outcome"))
    assert made.values["outcome"].dtype == polars_dtype(language_dtype(outcome.dtype))
    assert made.values["outcome"].is_null().to_list() == [v is None or not math.isfinite(v) for v in outcome]
