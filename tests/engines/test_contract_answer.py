"""What any engine's `answer` does: the naive answer to every question at every spine row, in order, of any buckets."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from featurectl.core.units import DAY_US, HOUR_US
from featurectl.engines.base import ViewBuckets
from featurectl.language.definitions.aggregates import result_type
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.view import Feature
from featurectl.pit.hashing import bucket_of
from featurectl.pit.keys import AskedSpine
from featurectl.pit.naive import states_naively, windows_naively
from featurectl.pit.order import row_order
from featurectl.pit.questions import StateQuestion, WindowQuestion
from tests.definitions import DELAYS, LATEST, named
from tests.engines.rows import INSTANT, T0
from tests.pit.frames import alike

CARRIER = Entity(name="carrier", keys={"carrier": "string"})
ROUTE = Entity(name="route", keys={"carrier": "string", "gate": "int64"})
INPUTS = {"arr_delay": "float64", "late": "bool", "origin": "string"}
ASKED = [
    ("count", None, DAY_US, 0), ("count", "arr_delay", None, 0), ("sum", "arr_delay", 2 * DAY_US, 0),
    ("mean", "late", DAY_US, 6 * HOUR_US), ("max", "arr_delay", 3 * HOUR_US, 0), ("last", "origin", None, HOUR_US),
    ("last_n", "origin", 2 * DAY_US, 0), ("count_distinct", "origin", DAY_US, 0), ("median", "arr_delay", DAY_US, 0),
    ("approx_count_distinct", "arr_delay", DAY_US, 0), ("top_k", "origin", DAY_US, 0), ("any", "late", 5 * HOUR_US, 0),
]  # fmt: skip


def feature(number, op, column, window_us, offset_us):
    dtype = result_type(op, INPUTS.get(column))
    n = 2 if op in ("last_n", "top_k") else None
    return Feature(name=f"f{number}", op=op, column=column, dtype=dtype, window_us=window_us, offset_us=offset_us, n=n)


LATEST_OF = [
    Feature(name=f"{column}{fill}", op="latest", column=column, dtype=dtype, fill_last=fill)
    for column, dtype in INPUTS.items()
    for fill in (False, True)
]
EVENT = replace(
    DELAYS,
    derived=(),
    features=tuple(feature(i, *asked) for i, asked in enumerate(ASKED)),
    inputs=(named("arr_delay", "arr_delay"), named("late", "late"), named("origin", "origin")),
)
STATE = replace(LATEST, features=tuple(LATEST_OF), inputs=EVENT.inputs, ttl_us=12 * HOUR_US)
HOPPING = replace(EVENT, closed="right", hop_us=HOUR_US)
VIEWS = {
    "windows": EVENT,
    "windows with hops, right": HOPPING,
    "states": STATE,
    "states for ever": replace(STATE, ttl_us=None),
}
ENTITIES = {"one key": CARRIER, "two keys": ROUTE, "no entity": None}


def of_entity(view, entity):
    return replace(view, entity=entity, join={key: key for key in entity.keys} if entity else {})


def random_rows(keys, count=400, seed=3):
    """Rows of ten days in total order: most of one carrier, late ones, ties, nulls."""
    chance = np.random.default_rng(seed)
    times = pl.Series(chance.integers(0, 240, count) * HOUR_US).cast(INSTANT)
    behind = chance.choice([0, 1, 1, 2, 30], count)
    frame = pl.DataFrame(
        {
            "carrier": chance.choice(list("AAAAAAAAAABCDEFG"), count),
            "gate": chance.choice([1, 1, 1, 2, -3], count),
            "event_time": times,
            "available_at": times + pl.Series(behind * HOUR_US).cast(pl.Duration("us")),
            "tie_order": chance.integers(0, 10**9, count),
            "arr_delay": [None if i % 9 == 0 else float(v) for i, v in enumerate(chance.normal(size=count))],
            "late": [None if i % 7 == 0 else bool(v) for i, v in enumerate(chance.random(count) < 0.3)],
            "origin": [None if i % 5 == 0 else v for i, v in enumerate(chance.choice(list("XYZ"), count).tolist())],
        }
    )
    frame = frame.drop([name for name in ("carrier", "gate") if name not in keys])
    return frame.sort(row_order(keys, frame.columns))


def random_spine(keys, count=120, seed=4):
    """Questions in no order: of known and unknown keys, of null keys and times, some of them twice."""
    chance = np.random.default_rng(seed)
    hours = [None if i % 17 == 0 else int(v) * HOUR_US for i, v in enumerate(chance.integers(-5, 260, count))]
    frame = pl.DataFrame(
        {
            "carrier": pl.Series(chance.choice([*"AAAABCDEFGZ", None], count).tolist(), dtype=pl.String),
            "gate": pl.Series(chance.choice([1, 2, -3, 99, None], count).tolist(), dtype=pl.Int64),
            "t": pl.Series(hours, dtype=pl.Int64).cast(INSTANT),
            "row": range(count),
        }
    )
    twice = pl.concat([frame, frame.sample(30, seed=seed)]).sample(fraction=1.0, shuffle=True, seed=seed)
    return twice.drop([name for name in ("carrier", "gate") if name not in keys])


def table_of(view, rows, buckets=1):
    bucket = bucket_of(rows.select(view.keys), buckets) if view.keys else pl.Series([0] * rows.height)
    return ViewBuckets(view=view, buckets=buckets, read=lambda b: rows.filter(bucket == b), rows=rows.height)


def naive(view, rows, spine):
    asked = {"keys": view.keys, "time": "t"}
    if view.kind == "event":
        questions = [
            WindowQuestion(
                name=f.name, op=f.op, column=f.column, window_us=f.window_us, offset_us=f.offset_us, n=f.n, q=f.q
            )
            for f in view.features
        ]
        more = {"closed": view.closed, "hop_us": view.hop_us}
        return windows_naively(rows.to_dicts(), spine.to_dicts(), questions=questions, **more, **asked)
    questions = [StateQuestion(name=f.name, column=f.column, fill_last=f.fill_last) for f in view.features]
    return states_naively(rows.to_dicts(), spine.to_dicts(), questions=questions, ttl_us=view.ttl_us, **asked)


@pytest.mark.parametrize("entity", ENTITIES.values(), ids=list(ENTITIES))
@pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))
@pytest.mark.sample(4)
def test_every_question_has_the_naive_answer_in_the_spines_order(engine, view, entity):
    view = of_entity(view, entity)
    rows, spine = random_rows(view.keys), random_spine(view.keys)
    answers = engine.answer(table_of(view, rows), spine, "t")
    assert answers.columns == [f.name for f in view.features]
    for got, expected in zip(answers.to_dicts(), naive(view, rows, spine), strict=True):
        assert all(alike(got[name], expected[name]) for name in answers.columns), (got, expected)
    for buckets in (2, 16):
        assert engine.answer(table_of(view, rows, buckets), spine, "t").equals(answers)


@pytest.mark.parametrize("view", [EVENT, STATE], ids=["windows", "states"])
def test_a_row_is_answered_as_if_it_were_the_only_one(engine, view):
    rows, spine = random_rows(view.keys), random_spine(view.keys)
    table = table_of(view, rows, 8)
    whole = engine.answer(table, spine, "t")
    for place in range(0, spine.height, 11):
        assert engine.answer(table, spine[place : place + 1], "t").equals(whole[place : place + 1])
    assert engine.answer(table, spine.reverse(), "t").equals(whole.reverse())
    assert engine.answer(table, pl.concat([spine, spine]), "t").equals(pl.concat([whole, whole]))


@pytest.mark.parametrize("view", [EVENT, STATE], ids=["windows", "states"])
def test_neither_the_memory_nor_the_threads_change_an_answer(make_engine, view):
    rows, spine = random_rows(view.keys), random_spine(view.keys)
    table = table_of(view, rows, 16)
    answers = [
        made.answer(table, spine, "t") for made in (make_engine(None, 1), make_engine(1, 4), make_engine(1 << 30, 4))
    ]
    assert answers[0].equals(answers[1])
    assert answers[0].equals(answers[2])


@pytest.mark.parametrize("buckets", [1, 4])
@pytest.mark.parametrize("entity", ENTITIES.values(), ids=list(ENTITIES))
@pytest.mark.parametrize("view", [EVENT, STATE], ids=["windows", "states"])
def test_an_asked_spine_says_which_keys_any_table_has(engine, view, entity, buckets):
    view = of_entity(view, entity)
    if not view.keys:
        return
    rows, spine = random_rows(view.keys), random_spine(view.keys)
    asked, kept = AskedSpine(spine, view.keys, "t"), rows[: len(rows) // 40]
    for table in (kept, rows):
        engine.answer(table_of(view, table, buckets), asked, "t")
        known = [list(key) for key in table.select(view.keys).unique().iter_rows()]
        rows_of_spine = spine.select(*view.keys, "t").iter_rows()
        expected = [None not in key and (time is None or key in known) for *key, time in rows_of_spine]
        assert asked.found().to_list() == expected
    engine.answer(table_of(view, kept, buckets), asked, "t")
    assert asked.found().to_list() == expected


@pytest.mark.parametrize("buckets", [1, 4])
@pytest.mark.parametrize("view", [EVENT, STATE], ids=["windows", "states"])
def test_without_questions_or_without_rows_the_columns_keep_their_types(engine, view, buckets):
    rows, spine = random_rows(view.keys), random_spine(view.keys)
    types = engine.answer(table_of(view, rows, buckets), spine, "t").schema
    empty = engine.answer(table_of(view, rows, buckets), spine.clear(), "t")
    assert (empty.schema, empty.height) == (types, 0)
    unanswered = engine.answer(table_of(view, rows.clear(), buckets), spine, "t")
    assert (unanswered.schema, unanswered.height) == (types, spine.height)


def test_edges_of_windows_and_of_availability_are_those_of_the_language(engine):
    view = replace(DELAYS, derived=(), features=(feature(0, "count", None, DAY_US, 0),))
    known = pl.DataFrame(
        {
            "carrier": "A",
            "event_time": [T0, T0 + timedelta(hours=1)],
            "available_at": [T0, T0 + timedelta(hours=5)],
            "tie_order": [1, 2],
            "arr_delay": [1.0, 2.0],
            "late": [False, False],
        }
    ).cast({"event_time": INSTANT, "available_at": INSTANT})
    tick = timedelta(microseconds=1)
    hours = [T0, T0 + tick, T0 + timedelta(hours=5) - tick, T0 + timedelta(hours=5), T0 + timedelta(days=1),
             T0 + timedelta(days=1) + tick, T0 + timedelta(hours=25), T0 + timedelta(hours=25) + tick]  # fmt: skip
    spine = pl.DataFrame({"carrier": "A", "t": hours}).cast({"t": INSTANT})
    assert engine.answer(table_of(view, known), spine, "t")["f0"].to_list() == [0, 1, 1, 2, 2, 1, 1, 0]
