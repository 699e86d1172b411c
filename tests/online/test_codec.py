from __future__ import annotations

import json
import math
import random
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.core.errors import DataError, StoreError
from featurectl.online.base import PushRecord
from featurectl.online.codec import NEWER_BYTES, pack_instant, pack_key, pack_record, unpack_instant, unpack_record
from featurectl.online.corrupt_rows import BrokenRecordError
from featurectl.online.decode.row import row_schema_id, unpack_row
from featurectl.online.decode.values import decoder
from featurectl.online.encode.rows import encode_chunks
from featurectl.online.row_schema import claim_schema, parse_schema, schema_document
from tests.online.rows import HOUR, T0, UTC_US, frame, view
from tests.seeds import examples

INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(2283, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  # a time without a zone is meant
INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS = {
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    "int64": INT64,
    "float64": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "date": st.dates(),
    "decimal(12,3)": st.integers(-(10**12) + 1, 10**12 - 1).map(lambda n: Decimal(n).scaleb(-3)),
}
TYPES = st.sampled_from([*SCALARS, *(f"list({dtype})" for dtype in SCALARS)])


@st.composite
def typed_rows(draw):
    """Return a schema, and rows of it with nulls."""
    dtypes = draw(st.lists(TYPES, max_size=6))
    columns = [st.none() | value_of(dtype) for dtype in dtypes]
    rows = draw(st.lists(st.tuples(*columns), min_size=1, max_size=4))
    return {f"f{i}": dtype for i, dtype in enumerate(dtypes)}, rows


def value_of(dtype):
    if dtype in SCALARS:
        return SCALARS[dtype]
    return st.lists(st.none() | SCALARS[dtype.removeprefix("list(").removesuffix(")")], max_size=3)


def encode(of, rows, schema_id=7, *, is_compact=False):
    chunks = list(encode_chunks(of, rows, schema_id, is_compact=is_compact))
    return [key for c in chunks for key in c.keys.parts()], [row for c in chunks for row in c.rows().parts()]


@settings(max_examples=examples(40, 150), deadline=None)
@given(typed_rows())
def test_values_of_every_type_survive_packing(drawn):
    features, values = drawn
    of = view(features, {"id": "int64"}, project="p")
    _, packed = encode(of, frame(of, [[i] for i in range(len(values))], values))
    schema = parse_schema(schema_document(of))
    assert [tuple(unpack_row(row, schema).values.values()) for row in packed] == values
    assert {row_schema_id(row) for row in packed} == {7}


KEYS = st.tuples(SCALARS["string"], INT64, st.booleans(), st.dates(), SCALARS["string"])


@settings(max_examples=examples(40, 150), deadline=None)
@given(st.lists(KEYS, min_size=1, max_size=4, unique=True))
def test_keys_are_packed_alike_by_columns_and_one_by_one_and_stay_distinct(keys):
    dtypes = ["string", "int64", "bool", "date", "string"]
    of = view({}, dict(zip("abcde", dtypes, strict=True)), project="p")
    packed, _ = encode(of, frame(of, keys, [()] * len(keys)))
    plain = [(a, i, y, (d - date(1970, 1, 1)).days, b) for a, i, y, d, b in keys]
    assert packed == [pack_key(key, dtypes) for key in plain]
    assert len(set(packed)) == len(keys)


@settings(max_examples=examples(60, 200), deadline=None)
@given(INSTANTS, INSTANTS)
def test_instants_order_as_their_bytes_do(one, other):
    assert (one < other) == (pack_instant(one) < pack_instant(other))
    assert unpack_instant(pack_instant(one)) == one
    assert pack_instant(None) < pack_instant(one)


@settings(max_examples=50, deadline=None)
@given(INSTANTS, INSTANTS, INSTANTS)
def test_a_row_is_as_documented(event, available, computed):
    of = view({"n": "int64", "s": "string"}, project="p")
    rows = frame(of, [["a"]], [(5, "é")], event_time=event, available_at=available, computed_at=computed)
    _, (row,) = encode(of, rows, 0x1234)
    header = bytes([1]) + bytes.fromhex("1234")
    times = pack_instant(event) + pack_instant(available) + pack_instant(computed)
    assert row == header + times + b"\x92\x05\xa2\xc3\xa9"
    first, end = NEWER_BYTES["event"]
    assert row[first:end] == times


def test_the_header_of_a_known_row_never_changes():
    """What lies in stores is read by later versions: these bytes are a promise."""
    of = view({"n": "int64"}, {"day": "date", "code": "string"}, project="p", versioned_by="computed")
    rows = frame(of, [[date(2026, 11, 24), "JFK"]], [(300,)], event_time=None, available_at=T0 - HOUR)
    promised = "010001" + "00000000000000" + "e321029bbfac01" + "e3210372535001" + "91cd012c"
    assert encode(of, rows, 1) == ([b"d5:20781s3:JFK"], [bytes.fromhex(promised)])
    assert schema_document(of) == (
        '{"features":[["n","int64"]],"format":1,"keys":[["day","date"],["code","string"]],"newer_by":"computed"}'
    )


def test_special_floats_survive_packing():
    of = view({"x": "float64"}, project="p")
    _, packed = encode(of, frame(of, [["a"], ["b"]], [(float("inf"),), (float("nan"),)]))
    first, second = (unpack_row(row, parse_schema(schema_document(of))).values["x"] for row in packed)
    assert first == float("inf")
    assert isinstance(second, float)
    assert math.isnan(second)


def test_whole_numbers_of_a_float_feature_stay_floats():
    of = view({"x": "float64"}, project="p")
    rows = frame(of, [["a"]], [(1.0,)]).with_columns(pl.col("x").cast(pl.Int64))
    _, (row,) = encode(of, rows)
    assert type(unpack_row(row, parse_schema(schema_document(of))).values["x"]) is float


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "another program has written what is in its place"),
        (b"\x01" * 23, "it has 23 bytes, fewer than a row's head"),
        (b"\x04" + bytes(40), "this version reads formats 1 to 3"),
    ],
)
def test_bytes_that_are_no_row_of_this_format_are_refused(data, told):
    with pytest.raises(StoreError, match=told):
        row_schema_id(data)


def test_a_schema_of_a_later_format_is_refused():
    with pytest.raises(StoreError, match="rows of format 2"):
        parse_schema('{"format":2,"features":[]}')


def test_a_null_key_is_refused():
    of = view({"n": "int64"}, {"a": "string", "b": "int64"}, project="p")
    with pytest.raises(DataError, match="spend@1: 1 row with a null key"):
        encode(of, frame(of, [["a", 1], ["b", None]], [(1,), (2,)]))


def test_an_instant_that_does_not_fit_is_refused():
    of = view({"n": "int64"}, project="p")
    late = pl.lit(datetime(2300, 1, 1, tzinfo=UTC), UTC_US)
    with pytest.raises(DataError, match="event_time of spend@1 holds an instant outside the years 1 to 2284"):
        encode(of, frame(of, [["a"]], [(1,)]).with_columns(late.alias("event_time")))


def test_a_schema_id_that_is_taken_moves_on_to_the_next():
    taken: dict[int, str] = {}
    first = claim_schema("one", taken.setdefault)
    taken[first] = "another"
    assert claim_schema("one", taken.setdefault) == (first + 1) % 65_536
    assert claim_schema("one", taken.setdefault) == (first + 1) % 65_536


@settings(max_examples=50, deadline=None)
@given(INSTANTS, st.none() | INSTANTS, st.none() | INSTANTS)
def test_a_push_record_survives_packing(computed, watermark, newest):
    record = PushRecord(
        computed_at=computed,
        watermark=watermark,
        newest_event=newest,
        table_version=3,
        entities=4,
        schema="ab" * 32,
        applied_at=newest,
    )
    assert unpack_record(pack_record(record), "spend@1") == record


RECORD = PushRecord(computed_at=T0, watermark=T0, newest_event=None, table_version=3, entities=4, schema="ab" * 32)
BROKEN_RECORDS = (
    b"{}",
    b"",
    b"\xff" * 50,
    b"[" * 100_000,
    b"null",
    b'{"watermark":"x"}',
    b'{"watermark":1' + b"0" * 30,
)


@pytest.mark.parametrize("fields", BROKEN_RECORDS, ids=range(len(BROKEN_RECORDS)))
def test_a_broken_push_record_says_whose_it_is(fields):
    with pytest.raises(BrokenRecordError, match="last push of spend@1"):
        unpack_record(pack_record(RECORD)[:7] + fields, "spend@1")
    with pytest.raises(BrokenRecordError):
        unpack_record(bytes(7) + pack_record(RECORD)[7:], "spend@1")


JSON_VALUES = [None, True, 7, -1, 1.5, 10**30, "", "7", "zz", "ab" * 32, [], ["a"], {}, {"a": 1}, {"a": "int64"}]
RIGHT_VALUES = {
    "watermark": [None, 7, -1],
    "newest_event": [None, 7, -1],
    "kept_until": [None, 7, -1],
    "table_version": [7],
    "entities": [7],
    "schema": ["", "ab" * 32],
    "rebuild_id": ["", "7", "zz", "ab" * 32],
    "columns": [{}, {"a": "int64"}],
    "erased": [7],
}


@pytest.mark.parametrize("name", RIGHT_VALUES)
def test_a_field_of_a_push_record_has_the_type_of_its_name(name):
    packed = pack_record(RECORD)
    for value in JSON_VALUES:
        fields = json.loads(packed[7:]) | {name: value}
        data = packed[:7] + json.dumps(fields).encode()
        if any(type(value) is type(right) and value == right for right in RIGHT_VALUES[name]):
            unpack_record(data, "spend@1")
        else:
            with pytest.raises(BrokenRecordError):
                unpack_record(data, "spend@1")


def test_random_bytes_in_a_push_record_are_read_or_refused():
    chance, data = random.Random(49), pack_record(RECORD)
    for _ in range(2_000):
        changed = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        with suppress(BrokenRecordError):
            unpack_record(bytes(changed), "spend@1")


OTHER_SCHEMAS = (
    b'{"format":1,"newer_by":"event","features":[["a",5]]}',
    b'{"format":1,"newer_by":"event","features":[[5,"int64"]]}',
    b'{"format":1,"newer_by":"event","features":[["a","varchar"]]}',
    b'{"format":1,"newer_by":"event","features":[["a","int64"]],"meanings":{"a":5}}',
    b'{"format":1,"newer_by":"event","features":[["a","int64"]],"meanings":[["a","x"]]}',
    b'{"format":1,"features":[["a","int64"]],"newer_by":"x"}',
)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"null",
        b"[1]",
        b"\xff",
        b'{"format":1,"newer_by":"event","features":7}',
        b"[" * 100_000,
        *OTHER_SCHEMAS,
    ],
)
def test_a_broken_schema_is_an_error_of_the_store(document):
    with pytest.raises(StoreError, match="broken schema"):
        parse_schema(document)


@pytest.mark.parametrize(
    "text",
    [
        "1E+9",
        "1e-9",
        "0.2 ",
        "\n0.20",
        "0_1.00",
        "\u0661.\u0660\u0660",
        "1",
        "1.000",
        ".50",
        "5.",
        "+1.00",
        "",
        "123456789.00",
    ],
)
def test_a_decimal_that_nobody_wrote_is_a_broken_row(text):
    assert decoder("decimal(10,2)")("-0.05") == Decimal("-0.05")
    assert decoder("decimal(4,0)")("1234") == 1234
    with pytest.raises(ValueError, match=r".*"):
        decoder("decimal(10,2)")(text)


def test_chunks_cover_every_row_once(monkeypatch):
    monkeypatch.setattr("featurectl.online.encode.rows.CHUNK_ROWS", 3)
    of = view({"n": "int64"}, {"id": "int64"}, project="p")
    rows = frame(of, [[i] for i in range(8)], [(i,) for i in range(8)], event_time=T0 + timedelta(days=1))
    assert [chunk.count for chunk in encode_chunks(of, rows, 1, is_compact=False)] == [3, 3, 2]
