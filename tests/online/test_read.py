from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pytest

from featurectl.core.frames.types import polars_dtype
from featurectl.core.units import DAY_US, HOUR_US
from featurectl.engines.base import ViewBuckets
from featurectl.engines.polars import join
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.offline.rows import FrameRows
from featurectl.online.read import FeatureValue, read_features
from featurectl.online.row_places import online_view
from featurectl.online.sqlite.store import SqliteStore
from featurectl.operations.push import push_view
from tests.online.compared import assert_columns_equal_answers
from tests.online.views import UTC_US, at, derive, event_view, latest, push_request, state_view, table, window

AMOUNT = {"amount": "int64"}


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "online.db")
    yield made
    made.close()


def push(store, view, rows, inputs, hours=0):
    push_view(push_request(store, view, table(view, rows, inputs), hours))


def read(store, view, *entities, hours=0):
    asked = [[entity] for entity in entities] if view.entity else [[]]
    online = online_view(view, 1, "shop", "dev")
    answers = read_features(store, view, online, asked, at(hours))
    assert_columns_equal_answers(store, view, online, asked, at(hours), answers)
    return answers


def values(answer):
    return {name: (found.value, found.status, found.defaulted) for name, found in answer.values.items()}


def test_a_state_is_present_null_or_not_found(store):
    view = state_view([latest("amount", "int64"), latest("city", "string")])
    push(store, view, [("a", -1, None, {"amount": 1})], {"amount": "int64", "city": "string"})
    found, missing = read(store, view, "a", "b")
    assert values(found) == {"amount": (1, "PRESENT", False), "city": (None, "NULL", False)}
    assert values(missing) == {"amount": (None, "NOT_FOUND", False), "city": (None, "NOT_FOUND", False)}
    assert (found.version, found.event_time, found.available_at, found.age_us) == (1, at(-1), at(-1), HOUR_US)
    assert (missing.event_time, missing.age_us) == (None, None)


@pytest.mark.parametrize(("hours", "status"), [(2, "PRESENT"), (2.001, "EXPIRED"), (50, "EXPIRED")])
def test_a_state_expires_when_it_is_older_than_its_ttl(store, hours, status):
    view = state_view([latest("amount", "int64")], ttl_h=3)
    push(store, view, [("a", -1, None, {"amount": 1})], AMOUNT)
    (answer,) = read(store, view, "a", hours=hours)
    assert values(answer) == {"amount": (1 if status == "PRESENT" else None, status, False)}


def test_a_filled_value_expires_with_the_row_that_it_came_from(store):
    view = state_view([latest("amount", "int64", fill_last=True), latest("city", "string")], ttl_h=4)
    inputs = {"amount": "int64", "city": "string"}
    push(store, view, [("a", -3, None, {"amount": 1}), ("a", 0, None, {"city": "Oslo"})], inputs)
    (fresh,), (old,) = read(store, view, "a", hours=1), read(store, view, "a", hours=2)
    assert values(fresh) == {"amount": (1, "PRESENT", False), "city": ("Oslo", "PRESENT", False)}
    assert values(old) == {"amount": (None, "EXPIRED", False), "city": ("Oslo", "PRESENT", False)}


def test_an_entity_without_rows_answers_as_one_without_rows(store):
    view = event_view(
        [
            window("n", "count", 2, "int64", None),
            window("kinds", "count_distinct", 2, "int64"),
            window("sum", "sum", 2, "int64"),
            window("lasts", "last_n", None, "list(int64)", n=2),
        ]
    )
    push(store, view, [("a", -1, None, {"amount": 1})], AMOUNT)
    found, missing = read(store, view, "a", "b", hours=1)
    assert [v.value for v in found.values.values()] == [1, 1, 1, [1]]
    assert {v.status for v in missing.values.values()} == {"NOT_FOUND"}
    assert [v.value for v in missing.values.values()] == [0, 0, None, []]
    assert (found.asof, missing.asof, missing.computed_at, missing.read_at) == (at(0), at(0), at(0), at(1))


def test_a_null_key_gives_null_features(store):
    view = event_view([window("n", "count", 2, "int64", None)])
    push(store, view, [("a", -1, None, {"amount": 1})], AMOUNT)
    first, null, last = read(store, view, "a", None, "b")
    assert [values(answer)["n"][0] for answer in (first, null, last)] == [1, None, 0]
    assert values(null) == {"n": (None, "NOT_FOUND", False)}


def test_a_default_replaces_null_whatever_its_cause(store):
    view = state_view(
        [
            latest("x", "float64", default=10.0),
            latest("on", "date", default="2013-01-31"),
            latest("at", "timestamp", default="2026-11-24T13:00:00Z"),
            latest("price", "decimal(10,2)", default=1.5),
        ],
        ttl_h=3,
    )
    inputs = {"x": "float64", "on": "date", "at": "timestamp", "price": "decimal(10,2)"}
    push(store, view, [("null", -1, None, {}), ("set", -1, None, {"x": 0.0}), ("old", -5, None, {"x": 1.0})], inputs)
    null, present, old, missing = read(store, view, "null", "set", "old", "nobody")
    defaults = [10.0, date(2013, 1, 31), at(1), Decimal("1.5")]
    for answer, status in ((null, "NULL"), (old, "EXPIRED"), (missing, "NOT_FOUND")):
        assert list(answer.values.values()) == [FeatureValue(value=d, status=status, defaulted=True) for d in defaults]
    assert values(present)["x"] == (0.0, "PRESENT", False)


DECIMALS = [
    (1.1, "decimal(10,2)"),
    (1.1, "decimal(38,20)"),
    (5, "decimal(4,3)"),
    (-0.0, "decimal(3,1)"),
    (1e22, "decimal(38,0)"),
]


@pytest.mark.parametrize(("default", "dtype"), [*DECIMALS, (0.1, "decimal(38,37)"), (1e-7, "decimal(20,10)")])
def test_a_default_of_a_decimal_has_its_types_digits_as_in_a_training_set(store, default, dtype):
    view = state_view([latest("price", dtype, default=default)])
    push(store, view, [("a", -1, None, {})], {"price": dtype})
    found, missing = read(store, view, "a", "nobody")
    asof = pl.Series("t", [at(0), at(0)], UTC_US)
    stored = pl.DataFrame({"price": [None, None]}, schema={"price": polars_dtype(dtype)})
    expected = PolarsEngine().finish(stored, view, asof, {})["price"].to_list()
    assert expected[0] == Decimal(str(default))
    assert [repr(answer.values["price"].value) for answer in (found, missing)] == [repr(value) for value in expected]


BEYOND_US = [253_402_300_800_000_000, -62_135_596_800_000_001, 2**63 - 1, -(2**63)]  # the first ones, the furthest ones
LAST_US = 253_402_300_799_999_999


@pytest.mark.parametrize("beyond", BEYOND_US)
@pytest.mark.parametrize("is_old", [False, True], ids=["pushed now", "in rows of before"])
def test_a_time_beyond_the_calendar_is_null_online_as_in_a_training_set(store, monkeypatch, beyond, is_old):
    """The columns hold it: files with a year 10000 are read, and a zone west of UTC makes one of 9999-12-31 23:00."""
    types = {"until": "timestamp", "day": "date"}
    view = state_view(
        [latest("until", "timestamp"), latest("day", "date", default="2013-01-31")],
        derived=[
            derive("most", "greatest(until, asof)", types, "timestamp"),
            derive("same", "until", types, "timestamp"),
        ],
    )
    times = pl.Series("until", [beyond, LAST_US]).cast(UTC_US)
    days = pl.Series("day", [max(-(2**31), min(beyond // DAY_US, 2**31 - 1)), LAST_US // DAY_US], pl.Int32).cast(
        pl.Date
    )
    rows = table(view, [("a", -1, None, {}), ("b", -1, None, {})], types)
    held = rows.read().sort("customer").with_columns(times, days)
    rows.replace(FrameRows(held, view.keys), rows.coverage())
    spine = pl.DataFrame({"customer": ["a", "b"], "t": [at(0)] * 2}).with_columns(pl.col("t").cast(UTC_US))
    asked = ViewBuckets(view=view, buckets=1, read=lambda _: held)
    offline = PolarsEngine().finish(PolarsEngine().answer(asked, spine, "t"), view, spine["t"], {}).rows()
    with monkeypatch.context() as patched:
        if is_old:
            patched.setattr(join, "on_calendar", lambda column, _: column)
        push_view(push_request(store, view, rows, 0))
    answers = read(store, view, "a", "b")
    assert [tuple(found.value for found in answer.values.values()) for answer in answers] == offline
    last = datetime.max.replace(tzinfo=UTC)
    assert offline == [(None, date(2013, 1, 31), at(0), None), (last, date.max, last, last)]


def test_derived_features_see_defaults_and_each_other(store):
    types = {"x": "float64", "y": "float64"}
    view = state_view(
        [latest("x", "float64", default=2.0), latest("y", "float64")],
        derived=[
            derive("twice", "x * 2", types, "float64"),
            derive("ratio", "twice / y", {**types, "twice": "float64"}, "float64", default=-1.0),
        ],
    )
    push(store, view, [("a", -1, None, {"y": 8.0}), ("b", -1, None, {"x": 1.0})], types)
    a, b = read(store, view, "a", "b")
    assert (values(a)["twice"], values(a)["ratio"]) == ((4.0, "PRESENT", False), (0.5, "PRESENT", False))
    assert values(b)["ratio"] == (-1.0, "NULL", True)


def test_a_derived_feature_of_nothing_tells_the_cause(store):
    view = state_view([latest("x", "int64")], ttl_h=3, derived=[derive("more", "x + 1", {"x": "int64"}, "int64")])
    push(store, view, [("null", -1, None, {}), ("old", -5, None, {"x": 1})], {"x": "int64"})
    statuses = [values(answer)["more"][1] for answer in read(store, view, "null", "old", "nobody")]
    assert statuses == ["NULL", "EXPIRED", "NOT_FOUND"]


@pytest.mark.parametrize(("kind", "seconds"), [("state", 3 * 3600.0), ("event", 3600.0)])
def test_asof_is_the_reading_for_states_and_the_computing_for_windows(store, kind, seconds):
    stored = {"seen": "timestamp"}
    age = derive("age", "seconds_between(seen, asof)", stored, "float64")
    view = (
        state_view([latest("seen", "timestamp")], derived=[age])
        if kind == "state"
        else event_view([window("seen", "last", None, "timestamp", "seen")], derived=[age])
    )
    push(store, view, [("a", -1, None, {"seen": at(-1)})], stored)
    (answer,) = read(store, view, "a", hours=2)
    assert values(answer)["age"] == (seconds, "PRESENT", False)


def test_derived_dates_and_times_come_back_as_dates_and_times(store):
    stored = {"seen": "timestamp"}
    view = state_view(
        [latest("seen", "timestamp")],
        derived=[
            derive("day", "cast(seen as date)", stored, "date"),
            derive("hour", "date_trunc('hour', seen)", stored, "timestamp"),
        ],
    )
    push(store, view, [("a", -1, None, {"seen": at(-0.5)})], stored)
    (answer,) = read(store, view, "a")
    assert [values(answer)[name][0] for name in ("day", "hour")] == [date(2026, 11, 24), at(-1)]


@pytest.mark.parametrize("kind", ["state", "event"])
def test_what_is_read_as_of_an_instant_before_its_push_is_not_known(store, kind):
    view = (
        state_view([latest("amount", "int64")])
        if kind == "state"
        else event_view([window("amount", "count", 9, "int64", None)])
    )
    push(store, view, [("a", -1, None, {"amount": 1})], AMOUNT)
    for answer in read(store, view, "a", "b", hours=-3):
        assert values(answer) == {"amount": (None, "NOT_FOUND", False)}
        assert answer.event_time is None


def test_a_row_written_before_a_feature_was_added_lacks_it(store):
    old, new = sums("sum"), sums("sum", "more")
    push(store, old, [("a", -1, None, {"amount": 1})], AMOUNT)
    (answer,) = read(store, new, "a")
    assert values(answer) == {"sum": (1, "PRESENT", False), "more": (None, "NOT_FOUND", False)}


def sums(*names):
    return event_view([window(name, "sum", 2, "int64") for name in names])


def test_without_any_push_nothing_was_computed(store):
    (answer,) = read(store, sums("sum"), "a")
    assert (answer.computed_at, values(answer)) == (None, {"sum": (None, "NOT_FOUND", False)})


def test_windows_that_a_push_had_no_reason_to_touch_are_true_as_of_it(store):
    """The first push stores the row, the second empties its windows, the third leaves it alone."""
    age = derive("age", "seconds_between(asof, timestamp '2026-11-24 12:00:00')", {}, "float64")
    view = event_view([window("n", "count", 2, "int64", None)], derived=[age])
    rows = table(view, [("a", -1, None, {"amount": 1})], AMOUNT)
    for hours in (0, 3, 8):
        push_view(push_request(store, view, rows, hours))
    for hours, asof in ((9, 8), (5, 5)):
        (answer,) = read(store, view, "a", hours=hours)
        assert (answer.asof, values(answer)["n"][0], values(answer)["age"][0]) == (at(asof), 0, -asof * 3600.0)
