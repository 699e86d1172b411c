"""Rows that become columns at once are what they are one by one, and whether they do depends on each of them."""

from __future__ import annotations

from datetime import timedelta

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.units import HOUR_US
from featurectl.online.codec import pack_instant
from featurectl.online.decode import columns
from featurectl.online.decode.columns import ViewColumns
from featurectl.online.decode.moment import moment_of
from featurectl.online.row_places import online_view
from featurectl.online.row_schema import parse_schema, schema_document
from tests.online.views import at, event_view, latest, state_view, window

NOW = at(0)
FEATURES = [
    latest("x", "float64", default=1.5),
    latest("n", "int64"),
    latest("name", "string"),
    latest("at", "timestamp"),
    latest("on", "date", default="2026-01-01"),
]
VIEWS = {
    "state": state_view(FEATURES),
    "state with ttl": state_view(FEATURES, ttl_h=3),
    "event": event_view([window("n", "count", 2, "int64", None), window("sum", "sum", 2, "int64")]),
}
NO_TIMES, NO_DAYS = (-(2**62), 2**62), (-(10**7), 10**7)  # outside the years 1 to 9999
STATES = st.tuples(
    st.floats(allow_nan=False) | st.none(),
    st.integers(-(2**63), 2**63 - 1) | st.none(),
    st.text(max_size=40) | st.none(),
    st.integers(0, 2**40) | st.sampled_from([None, *NO_TIMES]),
    st.integers(-1_000, 20_000) | st.sampled_from([None, *NO_DAYS]),
)
EVENTS = st.tuples(st.integers(0, 9), st.integers(-9, 9) | st.none())
# Around the moment of reading and the ttl, to the microsecond; long before and long after.
INSTANTS = st.one_of(
    st.integers(-2, 2),
    st.integers(-3 * HOUR_US - 2, -3 * HOUR_US + 2),
    st.integers(-HOUR_US, -3),
    st.sampled_from([None, -(2**52), 2**50]),
)
BEFORE = st.integers(-HOUR_US, 0)
CLOCKS = ("event", "available", "computed")


def instant(offset_us):
    return None if offset_us is None else pack_instant(NOW + timedelta(microseconds=offset_us))


@st.composite
def packed_rows(draw, values):
    """Rows of the schema with the id 7, all past; in most lists one is odd: in a clock, its schema or missing."""
    drawn = draw(st.lists(values, min_size=1, max_size=12))
    odd, where = (
        draw(st.integers(0, len(drawn))),
        draw(st.sampled_from(["event", "available", "computed", "id", "gone"])),
    )
    rows: list[bytes | None] = []
    for number, row in enumerate(drawn):
        clocks, kind = [draw(BEFORE) for _ in range(3)], where if number == odd else ""
        if kind in CLOCKS:
            clocks[CLOCKS.index(kind)] = draw(INSTANTS.filter(lambda us, k=kind: us is not None or k != "computed"))
        schema_id = 8 if kind == "id" else 7  # 8 is not known to be usual
        head = bytes([1]) + schema_id.to_bytes(2, "big")
        data = head + b"".join(instant(c) or pack_instant(None) for c in clocks) + msgpack.packb(row)
        rows.append(None if kind == "gone" else data)
    return rows


def decoder_of(view):
    online = online_view(view, 1, "shop", "dev")
    made = ViewColumns(view, online)
    made.learn(7, parse_schema(schema_document(online)))
    made.forms[8] = made.forms[7]
    return made


def transposed(rows, name):
    return [list(column) for column in zip(*[getattr(row, name) for row in rows], strict=True)]


@pytest.mark.parametrize("kind", VIEWS)
@given(data=st.data())
@pytest.mark.sample(1)
def test_columns_made_at_once_are_those_of_the_rows(kind, data):
    decoder = decoder_of(VIEWS[kind])
    found = data.draw(packed_rows(EVENTS if kind == "event" else STATES))
    pushed = data.draw(st.sampled_from([None, NOW, NOW - timedelta(minutes=10)])) if kind == "event" else None
    latest = data.draw(st.sampled_from([None, NOW + timedelta(minutes=1)]))
    moment = moment_of(NOW, pushed, latest)
    usual = all(row is not None and decoder.quick(row, moment) is not None for row in found)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(columns, "FEW_ROWS", 1)
        made = decoder.usual(found, moment)
    assert (made is not None) == usual
    if made is not None:
        rows = decoder.rows(found, moment)
        for name in ("values", "statuses", "defaulted"):
            assert repr([list(column) for column in getattr(made, name)]) == repr(transposed(rows, name))
        assert made.event_us == [row.event_us for row in rows]
        assert made.computed_us == [row.computed_us for row in rows]


def test_few_rows_are_decoded_one_by_one():
    decoder = decoder_of(VIEWS["state"])
    row = bytes([1, 0, 7]) + 3 * pack_instant(NOW) + msgpack.packb([1.0, 1, "a", 0, 0])
    count = columns.FEW_ROWS
    assert decoder.usual([row] * (count - 1), moment_of(NOW)) is None
    assert decoder.usual([row] * count, moment_of(NOW)) is not None


def test_times_that_are_none_are_null_in_many_rows_as_in_one():
    decoder = decoder_of(VIEWS["state"])
    head = bytes([1, 0, 7]) + 3 * pack_instant(NOW)
    found = [head + msgpack.packb([1.0, 1, "a", NO_TIMES[1], NO_DAYS[1]])] * columns.FEW_ROWS
    made, [row, *_] = decoder.usual(found, moment_of(NOW)), decoder.rows(found, moment_of(NOW))
    assert [column[0] for column in made.statuses] == row.statuses == ["PRESENT"] * 3 + ["NULL"] * 2
    assert [column[0] for column in made.defaulted] == row.defaulted == [False] * 4 + [True]
    assert [column[0] for column in made.values] == row.values
