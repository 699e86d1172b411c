"""An event is read as a line of a file of JSON objects is, and checked as rows of a file are."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

import polars as pl
import pytest

from featurectl.core.frames.types import polars_dtype
from featurectl.engines.polars.checks import Checker
from featurectl.language.definitions.source import Check, NamedExpression, Source
from featurectl.sources.casts import CastRules, plan_cast
from featurectl.streaming.event_checks import EventChecks
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from tests.definitions import expression

TYPES = ["string", "int64", "float64", "bool", "timestamp", "date", "decimal(6,2)", "list(int64)"]
VALUES: list[object] = [
    "", "x", "7", "07", "-3", " 7", "7.0", "1e3", "1e400", "NaN", "inf", "true", "TRUE", "null", "2026-01-31",
    "2026-02-31", "2026-01-31T05:30", "2026-01-31 05:30:00.25+01:00", "2026-01-31T05:30:00.1234567Z",
    "2026-03-08T02:30", "2026-11-01T01:30:00", "2026-W05-6T05:30:00Z", "1.25", "1.255", "12345.5", "-0.0",
    0, 1, -1, 7, 2**53 + 1, 2**63 - 1, 0.0, 1.5, -0.0, 1e300, 12.345, 1234.5, True, False, [1, 2], [1, None], ["a"],
]  # fmt: skip


def source_of(dtype: str, **changes: object) -> Source:
    fields = {"name": "events", "format": "stream", "event_time": "at", "columns": {"c": dtype, "at": "timestamp"}}
    return Source(**{**fields, **changes})  # type: ignore[arg-type]


def decoded(value: object, dtype: str, timezone: str = "UTC") -> tuple[object] | None:
    """What an event has in a column, in Python's types; None where it is rejected."""
    event = json.dumps({"c": value, "at": "2026-01-01"}).encode()
    found = EventDecoder(source_of(dtype, timezone=timezone)).decode(event)
    return None if isinstance(found, BadEvent) else (found[0],)


def stored(column: pl.Series, dtype: str) -> object:
    """The value of a column of one row, in the form of the online store."""
    value = column.to_list()[0]
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return f"{value:.2f}" if isinstance(value, Decimal) and dtype.startswith("decimal") else value


def from_file(value: object, dtype: str, timezone: str) -> tuple[object] | None:
    """What a file of one such object has in the column; None where the row is bad."""
    frame = pl.read_ndjson(json.dumps({"c": value}).encode())
    cast = plan_cast("c", frame["c"].dtype, dtype, CastRules(timezone=timezone))
    if cast is None:
        return None
    if cast.bad is not None and frame.select(cast.bad.fill_null(value=False)).item():
        return None
    return (stored(frame.select(cast.value.cast(polars_dtype(dtype))).to_series(), dtype),)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("timezone", ["UTC", "America/New_York"])
def test_a_value_of_an_event_is_read_as_in_a_file(dtype: str, timezone: str):
    found = {repr(value): decoded(value, dtype, timezone) for value in VALUES}
    wanted = {repr(value): from_file(value, dtype, timezone) for value in VALUES}
    assert {key: (value, wanted[key]) for key, value in found.items() if value != wanted[key]} == {}


@pytest.mark.parametrize(("event", "reason"), [
    (b"", "no JSON"),
    (b"{", "no JSON"),
    (b'{"c": "\xff"}', "no JSON"),
    (b"[" * 100_000, "no JSON"),
    (b'{"c": NaN, "at": "2026-01-01"}', "no JSON"),
    (b'{"c": 1e999, "at": "2026-01-01"}', "no JSON"),
    (b"[1]", "no JSON object but [1]"),
    (b'{"c": "x", "at": "2026-01-01"}', "'x' is no int64"),
    (b'{"c": 1}', "null event time"),
    (b'{"c": 1, "at": 7}', "7 is no timestamp"),
])  # fmt: skip
def test_an_event_that_does_not_fit_is_told_why(event: bytes, reason: str):
    found = EventDecoder(source_of("int64")).decode(event)
    assert isinstance(found, BadEvent)
    assert found.reason.startswith(reason)


def test_a_mark_of_the_order_of_bytes_is_no_part_of_an_event():
    assert EventDecoder(source_of("int64")).decode(b'\xef\xbb\xbf{"c": 1, "at": "1970-01-01"}') == (1, 0)


def test_columns_of_select_see_the_columns_of_the_event():
    late = NamedExpression(name="late", expression=expression("arr_delay > 15"), dtype="bool")
    hidden = NamedExpression(name="arr_delay", expression=expression("arr_delay / 60"), dtype="float64")
    columns = {"arr_delay": "float64", "at": "timestamp"}
    decoder = EventDecoder(source_of("float64", columns=columns, select=(hidden, late)))
    row = decoder.decode(b'{"arr_delay": 30, "at": "1970-01-01T00:00:01Z"}')
    assert (dict(decoder.columns), row) == ({**columns, "late": "bool"}, (30.0, 1_000_000, 0.5, True))
    assert decoder.places == {"arr_delay": 2, "at": 1, "late": 3}


def test_a_date_is_its_midnight_in_the_zone_of_the_source():
    decoder = EventDecoder(source_of("int64", columns={"at": "date"}, timezone="America/New_York"))
    row = decoder.decode(b'{"at": "2026-07-01"}')
    assert not isinstance(row, BadEvent)
    assert decoder.event_us(row) == datetime(2026, 7, 1, 4, tzinfo=UTC).timestamp() * 1e6


def test_an_event_whose_midnight_is_no_instant_is_rejected():
    decoder = EventDecoder(source_of("int64", columns={"at": "date"}, timezone="Asia/Tokyo"))
    assert isinstance(decoder.decode(b'{"at": "0001-01-01"}'), BadEvent)
    assert not isinstance(decoder.decode(b'{"at": "0001-01-02"}'), BadEvent)


CHECKS = [
    ("float64", Check(kind="between", column="c", low=0.1, high=2.0)),
    ("int64", Check(kind="between", column="c", low=-3.0, high=7.0)),
    ("decimal(6,2)", Check(kind="between", column="c", low=0.1, high=1.25)),
    ("string", Check(kind="in", column="c", values=("", "x"))),
    ("int64", Check(kind="in", column="c", values=(1, 7))),
    ("date", Check(kind="in", column="c", values=("2026-01-31",))),
    ("timestamp", Check(kind="in", column="c", values=("2026-01-31", "2026-01-31T05:30Z"))),
    ("decimal(6,2)", Check(kind="in", column="c", values=(1.25, 7))),
    ("bool", Check(kind="in", column="c", values=(True,))),
    ("string", Check(kind="matches", column="c", text="[a-z]|\\d+")),
    ("string", Check(kind="not_null", column="c")),
]


@pytest.mark.parametrize(("dtype", "check"), CHECKS)
def test_a_check_rejects_the_events_that_it_counts_in_a_file(dtype: str, check: Check):
    random, source = Random(0), source_of(dtype, checks=(check,))
    decoder = EventDecoder(source)
    values = [None, *random.choices(VALUES, k=60), "x\n", "0.10", "0.1", 0.1, "7"]
    events = [decoder.decode(json.dumps({"c": value, "at": "2026-01-01"}).encode()) for value in values]
    rows = [row for row in events if not isinstance(row, BadEvent)]
    failed = EventChecks(source, decoder).failed(rows)
    checker = Checker(kind="source", name="events", checks=[check])
    for row in rows:
        checker.see(pl.DataFrame({"c": pl.Series([_typed(row[0], dtype)], dtype=polars_dtype(dtype))}))
    assert (len(failed.rejected), failed.warned) == (checker.results()[0].failed, 0)
    warned = EventChecks(source_of(dtype, checks=(_warning(check),)), decoder).failed(rows)
    assert (len(warned.rejected), warned.warned) == (0, checker.results()[0].failed)


def _warning(check: Check) -> Check:
    return Check(
        kind=check.kind, column="c", low=check.low, high=check.high, values=check.values, text=check.text,
        severity="warn",
    )  # fmt: skip


def _typed(value: object, dtype: str) -> object:
    if isinstance(value, str) and dtype.startswith("decimal"):
        return Decimal(value)
    if isinstance(value, int) and dtype == "timestamp":
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    return date(1970, 1, 1) + timedelta(days=value) if isinstance(value, int) and dtype == "date" else value
