"""Rows of the short formats: what they hold is what the long one holds, beside which they may stand anywhere."""

from __future__ import annotations

import itertools
import random
from contextlib import closing
from datetime import timedelta

import polars as pl
import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import StoreError
from featurectl.core.units import from_us
from featurectl.online.all_stores import open_online
from featurectl.online.base import Ask
from featurectl.online.codec import (
    BY_COMPUTED,
    BY_EVENT,
    HEADER_BYTES,
    INSTANT_ZERO_US,
    PLAIN,
    ROW_FORMATS,
    header_bytes,
    pack_instant,
    unpack_header,
)
from featurectl.online.decode.heads import heads_of, instants_of
from featurectl.online.decode.row import unpack_row
from featurectl.online.encode.rows import encode_chunks
from featurectl.online.redis.scripts import REMOVE_UNTIL, WRITE_NEWER
from featurectl.online.row_schema import parse_schema, schema_document
from tests.online.rows import HOUR, T0, UTC_US, frame, view
from tests.seeds import examples

YEAR_US = 366 * 86_400_000_000
LAST_SINCE = (1 << 48) - 1
NUMBERS = st.integers(1, (1 << 56) - 1)
SINCE = st.sampled_from([0, 1, 255, 256, (1 << 40) - 1, LAST_SINCE, LAST_SINCE + 1, -1]) | st.integers(0, YEAR_US)


def frame_of(of, instants):
    """Return rows of a view with these numbers for instants; 0 is none."""
    made = frame(of, [[i] for i in range(len(instants))], [(float(i),) for i in range(len(instants))])
    for place, name in enumerate(("event_time", "available_at", "computed_at")):
        column = [row[place] + INSTANT_ZERO_US if row[place] else None for row in instants]
        made = made.with_columns(pl.Series(name, column, dtype=pl.Int64).cast(UTC_US))
    return made


def packed(of, made, *, is_compact=True):
    return [row for chunk in encode_chunks(of, made, 7, is_compact=is_compact) for row in chunk.rows().parts()]


@st.composite
def instants(draw):
    """Return instants of which some fit the short formats, as numbers."""
    event = draw(NUMBERS | st.just(0))
    available = draw(st.sampled_from([event, event, event, event + 1, 0]))
    computed = event + draw(SINCE) if draw(st.booleans()) else draw(NUMBERS)
    least = 1
    return min(event, (1 << 56) - 2), min(available, (1 << 56) - 1), min(max(computed, least), (1 << 56) - 1)


@pytest.mark.sample(1)
@pytest.mark.parametrize("order", ["event", "computed"])
@settings(max_examples=examples(25, 300), deadline=None)
@given(drawn=st.lists(instants(), min_size=1, max_size=8))
def test_a_short_row_holds_what_a_long_one_holds(order, drawn):
    of = view({"x": "float64"}, {"id": "int64"}, project="p", versioned_by=order)
    made = frame_of(of, drawn)
    short, long = packed(of, made), packed(of, made, is_compact=False)
    schema = parse_schema(schema_document(of))
    for row, other, numbers in zip(short, long, drawn, strict=True):
        fits = numbers[0] == numbers[1] > 0 and 0 <= numbers[2] - numbers[0] <= LAST_SINCE
        assert (row[0], other[0]) == ({"event": BY_EVENT, "computed": BY_COMPUTED}[order] if fits else PLAIN, PLAIN)
        assert row[1:3] == other[1:3]
        assert row[header_bytes(row) :] == other[HEADER_BYTES:]
        assert instants_of(row) == instants_of(other) == numbers
        assert unpack_header(row) == unpack_header(other)
        assert unpack_row(row, schema) == unpack_row(other, schema)
    for rows in (short, long, short[:1], [*short, *long]):
        heads = heads_of(rows, frozenset(ROW_FORMATS))
        assert heads is not None
        assert [*zip(heads.events, heads.available, heads.computed, strict=True)] == [*map(instants_of, rows)]


def head(kind, numbers):
    """Return the head of a row, written by hand."""
    event, available, computed = numbers
    number = {PLAIN: event << 112 | available << 56 | computed,
              BY_EVENT: event << 48 | computed - event,
              BY_COMPUTED: computed << 48 | computed - event}[kind]  # fmt: skip
    return bytes([kind]) + b"\x00\x07" + number.to_bytes(21 if kind == PLAIN else 13, "big")


def drawn_row(chance, order):
    """Return a row with its instants; bytes carry over in the sums, and ties are common."""
    event = chance.choice([5, 255, 256, 65_535, (1 << 48) - 1, chance.randrange(1, 1 << 50)])
    if chance.random() < 0.5:
        numbers = (event, event, event + chance.choice([0, 1, 255, 256, (1 << 40) - 1]))
        kind = chance.choice([PLAIN, BY_EVENT if order == "event" else BY_COMPUTED])
    else:
        numbers, kind = (event, event + chance.choice([0, 1, 256]), event + chance.choice([0, 1, 256, 1 << 41])), PLAIN
    row = head(kind, numbers) + chance.randbytes(3)
    if chance.random() < 0.05:
        row = row[: chance.randrange(1, 10)]
        numbers = tuple(int.from_bytes(row[begin : begin + 7].ljust(7, b"\0"), "big") for begin in (3, 10, 17))
        if kind != PLAIN:
            first = numbers[0]
            numbers = (first, first, first)
    return row, numbers


def is_older(numbers, others, compared):
    return numbers[2] < others[2] if compared == "computed" else numbers < others


@pytest.mark.parametrize("compared", ["event", "computed"])
@pytest.mark.parametrize("order", ["event", "computed"])
def test_the_newer_of_two_rows_stays_whatever_their_formats(redis_url, order, compared):
    if (order, compared) == ("computed", "event"):
        return  # rows of event views are always ordered by when they were computed
    chance, key = random.Random(f"{order} {compared}"), f"compact-{order}-{compared}"
    with redis.Redis.from_url(redis_url) as client:
        for _ in range(1_500):
            (old, before), (new, numbers) = drawn_row(chance, order), drawn_row(chance, order)
            bound = chance.choice([1 << 55, before[2], before[2] - 1]) % (1 << 56)
            client.hset(key, "v@1", old)
            arguments = ("v@1", compared, "", "", bound.to_bytes(7, "big"), "", "")
            client.eval(WRITE_NEWER, 2, key, f"{key}-home", *arguments, new)
            stays = is_older(numbers, before, compared) and not before[2] > bound
            assert client.hget(key, "v@1") == (old if stays else new), (before, numbers, bound, old[0], new[0])
        client.delete(key)


def test_rows_of_all_formats_are_removed_by_when_they_were_computed(redis_url):
    chance, key = random.Random(3), "compact-removed"
    with redis.Redis.from_url(redis_url) as client:
        for order, _ in itertools.product(("event", "computed"), range(700)):
            row, numbers = drawn_row(chance, order)
            until, bound = (chance.choice([numbers[2], numbers[2] - 1, numbers[2] + 1, 1 << 54]) for _ in range(2))
            until, bound = max(until, 0), max(bound, 0)
            client.hset(key, "v@1", row)
            bounds = until.to_bytes(7, "big"), bound.to_bytes(7, "big")
            client.eval(REMOVE_UNTIL, 2, key, f"{key}-home", "v@1", bounds[0], "count", bounds[1])
            assert client.hexists(key, "v@1") == (until < numbers[2] <= bound), (numbers, until, bound)
        client.delete(key, f"{key}-home")


def test_long_rows_of_before_and_short_ones_stand_side_by_side(redis_url, monkeypatch):
    features = {f"f{i}": "float64" for i in range(5)}
    of = view(features, {"id": "int64"})
    rows = [[float(10 * row + i) for i in range(5)] for row in range(40)]
    with closing(open_online(redis_url)) as store:
        monkeypatch.setattr(store.bytes, "is_compact", False)
        assert store.write(of, frame(of, [[i] for i in range(30)], rows[:30])) == 30
        monkeypatch.setattr(store.bytes, "is_compact", True)
        later = {"event_time": T0 + HOUR, "available_at": T0 + HOUR, "computed_at": T0 + 2 * HOUR}
        assert store.write(of, frame(of, [[i] for i in range(20, 40)], rows[20:], **later)) == 10
        assert store.write(of, frame(of, [[i] for i in range(25)], [[0.0] * 5] * 25)) == 0  # older ones replace none
        found = store.read(of, [[i] for i in range(40)])
        assert [list(row.values.values()) for row in found[20:]] == rows[20:]
        assert [list(row.values.values()) for row in found[:20]] == [[0.0] * 5] * 20
        assert {row.computed_at - row.event_time for row in found[20:]} == {HOUR}
        assert store.count(of) == 40
        [kept] = store.fetch([Ask(project=of.project, env=of.env, fields=("spend@1",), keys=[b"i2:39"])])[0]
        assert (len(kept[0]), kept[0][0]) == (62, BY_EVENT)
        with redis.Redis.from_url(redis_url) as client:
            assert client.object("encoding", f"{of.project}/dev:{{i2:39}}") == b"listpack"


def test_rows_of_a_later_format_fail_their_view_alone(redis_url):
    one, other = view({"x": "float64"}, {"id": "int64"}), view({"x": "float64"}, {"id": "int64"}, name="visits")
    with closing(open_online(redis_url)) as store, redis.Redis.from_url(redis_url) as client:
        for of in (one, other):
            store.write(of, frame(of, [[1]], [(1.5,)]))
        key = f"{one.project}/dev:{{i1:1}}"
        client.hset(key, "spend@1", b"\x04" + client.hget(key, "spend@1")[1:])
        with pytest.raises(StoreError, match="a row of format 4; this version reads formats 1 to 3"):
            store.read(one, [[1]])
        assert store.read(other, [[1]])[0].values == {"x": 1.5}


@pytest.mark.parametrize("since", [timedelta(days=400), timedelta(days=4_000)])
def test_a_view_whose_rows_are_old_is_read_back(store, since):
    of = view({"x": "float64"}, {"id": "int64"})
    store.write(of, frame(of, [[1]], [(1.5,)], event_time=T0 - since, available_at=T0 - since))
    [row] = store.read(of, [[1]])
    assert (row.event_time, row.available_at, row.computed_at) == (T0 - since, T0 - since, T0)


def test_the_bytes_of_a_short_row_are_a_promise():
    for order, promised in (("event", "020007e321037253500100000000000091cb3ff8000000000000"),
                            ("computed", "030007e321037253500100000000000091cb3ff8000000000000")):  # fmt: skip
        of = view({"x": "float64"}, {"id": "int64"}, project="p", versioned_by=order)
        assert packed(of, frame(of, [[1]], [(1.5,)])) == [bytes.fromhex(promised)]
    assert pack_instant(from_us(0)) == (-INSTANT_ZERO_US).to_bytes(7, "big")
