"""Labels over a horizon: [t, t + h) of the label's own source, once all of it can be known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurectl.core.units import from_us, instant_us
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.engines.spill import SpillRoom
from featurectl.expressions.tree import Expression
from featurectl.language.definitions.aggregates import AGGREGATES
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.model import Label
from featurectl.language.definitions.source import Source
from featurectl.operations.training.label import label_rows, read_target
from featurectl.operations.training.spine import SpineRows
from featurectl.pit.naive import aggregate_naively
from featurectl.pit.questions import WindowQuestion
from featurectl.sources.open import open_source
from tests.pit.frames import INSTANT, alike, instants
from tests.seeds import examples

ORDERS = Source(name="orders", format="parquet", path="orders.parquet", event_time="at", available_at="known")
CUSTOMER = Entity(name="customer", keys={"customer": "string"})
EVER = datetime(9999, 1, 1, tzinfo=UTC)
SCHEMA = {"customer": pl.String, "at": INSTANT, "known": INSTANT, "v": pl.Int64, "f": pl.Float64, "b": pl.Boolean}
LABEL = Label(name="y", expression=None, dtype=None, entity=CUSTOMER, source=ORDERS, op="sum", column="v", horizon_us=7)


def orders(events, late=0):
    """Rows of the customer "k" out of (time, value), each known so many microseconds later."""
    times, values = [time for time, _ in events], [value for _, value in events]
    known = [time + late for time in times]
    return pl.DataFrame(
        {"customer": ["k"] * len(events), "at": instants(times), "known": instants(known), "v": values},
        schema_overrides={"customer": pl.String, "v": pl.Int64},
    )


def spine_of(times, keys=None):
    rows = pl.DataFrame({"customer": pl.Series(keys or ["k"] * len(times), dtype=pl.String), "t": instants(times)})
    return SpineRows(rows=rows, own=rows, time=rows["t"], time_column="t", origin="s")


def labelled(folder, rows, spine, label=LABEL, now=EVER):
    rows.write_parquet(folder / "orders.parquet")
    engine = PolarsEngine(2 << 20)
    with SpillRoom(folder / "spill") as room:
        target = read_target(engine, label, lambda source: open_source(source, folder), now, room)
        return label_rows(engine, target, spine)


def test_conformance_i1_the_label_has_what_the_feature_has_not(tmp_path):
    events = [(-1, 1), (0, 2), (6, 4), (7, 8)]
    assert labelled(tmp_path, orders(events), spine_of([0])).column.to_list() == [6]


@pytest.mark.parametrize(("watermark", "expected", "immature"), [(6, None, 1), (7, 6, 0), (8, 6, 0)])
def test_conformance_i2_a_label_is_mature_if_its_horizon_ends_at_watermark(tmp_path, watermark, expected, immature):
    """The last row is of nobody that is asked about: the watermark is of the source, not of the key."""
    other = orders([(watermark, 64)]).with_columns(customer=pl.lit("other"))
    found = labelled(tmp_path, pl.concat([orders([(0, 2), (6, 4)]), other]), spine_of([0]))
    assert (found.column.to_list(), found.missing.immature.sum()) == ([expected], immature)


def test_rows_count_however_late_they_became_known(tmp_path):
    found = labelled(tmp_path, orders([(0, 2), (6, 4), (7, 8)], late=1_000), spine_of([0]))
    assert found.column.to_list() == [6]


def test_rows_known_only_after_now_neither_count_nor_move_the_watermark(tmp_path):
    rows = pl.concat([orders([(0, 2), (7, 1)]), orders([(3, 4)], late=50)])
    assert labelled(tmp_path, rows, spine_of([0]), now=from_us(52)).column.to_list() == [2]
    assert labelled(tmp_path, rows, spine_of([0]), now=from_us(53)).column.to_list() == [6]
    assert labelled(tmp_path, rows, spine_of([0, -4]), now=from_us(6)).column.to_list() == [None, None]


def test_a_null_key_or_time_and_an_unknown_key_stay_rows(tmp_path):
    spine = spine_of([0, 0, None, 0], ["k", None, "k", "nobody"])
    rows = orders([(0, 2), (9, 1)])
    found = labelled(tmp_path, rows, spine)
    assert (found.column.to_list(), found.missing.immature.sum()) == ([2, None, None, None], 0)
    churned = replace(LABEL, op="count", column=None, expression=Expression("count = 0"))
    assert labelled(tmp_path, rows, spine, churned).column.to_list() == [False, None, None, True]


def test_the_expression_reads_the_aggregate_and_matures_no_immature_label(tmp_path):
    label = replace(LABEL, expression=Expression("coalesce(v_sum, 0) > 2"))
    found = labelled(tmp_path, orders([(-99, 0), (0, 2), (6, 4), (9, 8)]), spine_of([0, 2, 3, -90]), label)
    assert found.column.to_list() == [True, True, None, False]


def test_where_chooses_the_rows_and_the_watermark_is_of_all(tmp_path):
    label = replace(LABEL, where=Expression("v > 2"))
    assert labelled(tmp_path, orders([(0, 2), (6, 4), (7, 1)]), spine_of([0]), label).column.to_list() == [4]


@pytest.mark.parametrize(("t", "expected", "before"), [(-8, None, 1), (-1, None, 1), (0, 6, 0), (1, 4, 0)])
def test_a_row_before_the_first_event_of_the_source_has_no_label(tmp_path, t, expected, before):
    """That event is of nobody that is asked about, and the label's `where` leaves it out: it is the source's."""
    label = replace(LABEL, where=Expression("v > 1"))
    other = orders([(0, 1), (9, 1)]).with_columns(customer=pl.lit("other"))
    found = labelled(tmp_path, pl.concat([orders([(0, 2), (6, 4)]), other]), spine_of([t]), label)
    assert (found.column.to_list(), found.missing.before_source.sum(), found.missing.immature.sum()) == (
        [expected],
        before,
        0,
    )


def test_an_event_that_is_not_known_yet_begins_no_source(tmp_path):
    rows = pl.concat([orders([(2, 2), (20, 1)]), orders([(0, 4)], late=50)])
    found = labelled(tmp_path, rows, spine_of([1]), now=from_us(49))
    assert (found.column.to_list(), found.missing.before_source.sum()) == ([None], 1)
    found = labelled(tmp_path, rows, spine_of([1]), now=from_us(50))
    assert (found.column.to_list(), found.missing.before_source.sum()) == ([2], 0)


def test_a_source_without_rows_leaves_every_label_immature(tmp_path):
    found = labelled(tmp_path, orders([]), spine_of([0, 1]))
    assert (found.column.to_list(), found.missing.immature.sum()) == ([None, None], 2)


def test_a_spine_without_the_key_has_no_label(tmp_path):
    rows = pl.DataFrame({"t": instants([0])})
    spine = SpineRows(rows=rows, own=rows, time=rows["t"], time_column="t", origin="s")
    assert labelled(tmp_path, orders([(0, 1)]), spine) is None


def test_equal_event_times_are_ordered_by_when_they_became_known(tmp_path):
    rows = pl.concat([orders([(1, value)], late=late) for value, late in ((3, 9), (1, 2), (2, 30), (0, 40))])
    rows = rows.with_columns(at=pl.when(pl.col("v") == 0).then(instants([8]).item()).otherwise("at"))
    for op, expected in (("last", 2), ("first", 1)):
        assert labelled(tmp_path, rows, spine_of([1]), replace(LABEL, op=op)).column.to_list() == [expected]


RUN = [op for op, a in AGGREGATES.items() if a.parameter is None]
OPS = [(op, column) for op in RUN for column in (None, "v", "f", "b")]
TAKEN = {"count": [None, "v", "f", "b"], "any": ["b"], "all": ["b"]}
OPS = [(op, column) for op, column in OPS if column in TAKEN.get(op, ["v", "f", "b"])]  # type: ignore[operator]
VALUES = {"v": [None, 0, 1, -3, 9], "f": [None, 0.5, -1.25, 3.0], "b": [None, True, False]}


@st.composite
def cases(draw):
    count = draw(st.integers(0, 12))
    rows = [
        {
            "customer": draw(st.sampled_from(["a", "b", None])),
            "at": (at := draw(st.integers(-6, 12))),
            "known": at + draw(st.sampled_from([0, 0, 1, 5, 20])),
            **{name: draw(st.sampled_from(values)) for name, values in VALUES.items()},
        }
        for _ in range(count)
    ]
    spine = draw(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(-8, 14)), max_size=6))
    return rows, spine, draw(st.integers(1, 9)), draw(st.sampled_from([8, 30])), draw(st.sampled_from(OPS))


def naively(case):
    """Every row of the key in [t, t + h) that is known at now, by the aggregate's definition.

    "immature" and "before": t + h is after what is known, or else t before the first of it.
    """
    rows, spine, horizon, now, (op, column) = case
    known = [row for row in rows if row["known"] <= now]
    watermark = max((row["known"] for row in known), default=None)
    question = WindowQuestion(name="y", op=op, column=column, window_us=horizon)
    for key, t in spine:
        if key is None:
            yield None
            continue
        if watermark is None or t + horizon > watermark:
            yield "immature"
            continue
        if t < min(row["at"] for row in known):
            yield "before"
            continue
        mine = [row for row in known if row["customer"] == key and t <= row["at"] < t + horizon]
        yield aggregate_naively(question, [column is None or row[column] for row in mine])


@settings(max_examples=examples(15), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cases())
def test_any_label_is_what_the_naive_definition_says(tmp_path, case):
    rows, spine, horizon, now, (op, column) = case
    if op in {"first", "last"}:  # whose ties the naive definition does not break
        rows = list({(row["customer"], row["at"]): row for row in rows}.values())
        rows.sort(key=lambda row: row["at"])
    data = {name: [row[name] for row in rows] for name in SCHEMA}
    frame = pl.DataFrame({n: instants(v) if n in {"at", "known"} else v for n, v in data.items()}, schema=SCHEMA)
    label = replace(LABEL, op=op, column=column, horizon_us=horizon)
    asked = spine_of([t for _, t in spine], [key for key, _ in spine] or None)
    found = labelled(tmp_path, frame.sample(fraction=1.0, shuffle=True, seed=1), asked, label, from_us(now))
    told = list(naively((rows, spine, horizon, now, (op, column))))
    expected = [None if value in ("immature", "before") else value for value in told]
    assert all(map(alike, found.column.to_list(), expected)), (found.column.to_list(), expected)
    assert len(found.column) == len(spine)
    assert (found.missing.immature.sum(), found.missing.before_source.sum()) == (
        told.count("immature"),
        told.count("before"),
    )


def test_an_horizon_of_days_is_a_fixed_length(tmp_path):
    start = datetime(2024, 3, 9, 12, tzinfo=UTC)
    times = [instant_us(start + timedelta(hours=hours)) for hours in (0, 23, 24)]
    label = replace(LABEL, horizon_us=86_400_000_000)
    found = labelled(tmp_path, orders([(time, 1) for time in times]), spine_of(times[:1]), label)
    assert found.column.to_list() == [2]
