"""Events are written in one form, in the order of their times, at the pace that is asked for."""

from __future__ import annotations

import json
import math
import random
import tracemalloc
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import DataError, UsageError
from featurectl.core.frames.types import polars_dtype
from featurectl.expressions.check import type_expression
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.stream import Stream
from featurectl.streaming import event_rows
from featurectl.streaming.event_decoder import EventDecoder
from featurectl.streaming.event_encoder import EventEncoder
from featurectl.streaming.event_rows import EventFile, TimedRecords, ranges_of, read_lines
from featurectl.streaming.send import SendClock, SendPace, SendReport, send_events
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.streaming.topics.reading import read_to_end, reading

COLUMNS = {
    "s": "string",
    "i": "int64",
    "f": "float64",
    "b": "bool",
    "at": "timestamp",
    "d": "date",
    "m": "decimal(6,2)",
    "l": "list(timestamp)",
    "lf": "list(float64)",
}
START = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - made aware
FLOATS = st.floats()
ROWS = st.fixed_dictionaries(
    {
        "s": st.none() | st.text(st.characters(codec="utf-8")),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | FLOATS,
        "b": st.none() | st.booleans(),
        "at": TIMES,
        "d": st.none() | st.dates(date(1900, 1, 1), date(2200, 1, 1)),
        "m": st.none() | st.decimals(-9999, 9999, places=2),
        "l": st.none() | st.lists(st.none() | TIMES, max_size=3),
        "lf": st.none() | st.lists(st.none() | FLOATS, max_size=3),
    }
)


def source_of(key=(), columns=COLUMNS, **changes):
    fields = {"name": "events", "format": "stream", "event_time": "at", "stream": Stream(topic="t", key=key)}
    return Source(**{**fields, "columns": columns, **changes})


def frame_of(rows, columns=COLUMNS):
    return pl.DataFrame(rows, schema={name: polars_dtype(dtype) for name, dtype in columns.items()})


def in_store(value, nan):
    """A value as the decoder gives it."""
    if isinstance(value, datetime):
        return (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    if isinstance(value, Decimal):
        return f"{value:.2f}" if value else "0.00"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value) if nan == "keep" else None
    return [in_store(item, nan) for item in value] if isinstance(value, list) else value


def shown(value):
    """A value that can be compared: NaN is not itself."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [shown(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("nan", ["null", "keep"])
@given(rows=st.lists(ROWS, min_size=1, max_size=4))
def test_what_is_written_is_read_as_the_same_values(nan, rows):
    source = source_of(nan=nan)
    records = EventEncoder(source).encode(frame_of(rows))
    decoder = EventDecoder(source)
    for row, (key, value) in zip(rows, records, strict=True):
        assert key is None
        assert [shown(found) for found in decoder.decode(value)] == [in_store(row[name], nan) for name in COLUMNS]


def test_the_form_of_a_message_is_the_documented_one():
    row = {
        "s": 'a"é\n',
        "i": 2**53 + 1,
        "f": 0.1,
        "b": True,
        "at": START,
        "d": date(2026, 11, 28),
        "m": Decimal("12.5"),
    }
    [(_, value)] = EventEncoder(source_of()).encode(frame_of([{**row, "l": [START, None], "lf": None}]))
    assert value.decode() == (
        '{"s":"a\\"é\\n","i":9007199254740993,"f":0.1,"b":true,"at":"2026-01-01T00:00:00.000000Z","d":"2026-11-28",'
        '"m":"12.50","l":["2026-01-01T00:00:00.000000Z",null],"lf":null}'
    )


def test_numbers_that_json_does_not_have_are_texts_where_they_are_kept():
    rows = [{"f": math.inf, "lf": [1.0]}, {"f": 1.0, "lf": [math.nan, -math.inf]}, {"f": 1.0, "lf": [1.0]}]
    columns = {"f": "float64", "lf": "list(float64)"}
    records = EventEncoder(source_of(columns=columns, nan="keep")).encode(frame_of(rows, columns))
    assert [value for _, value in records] == [
        b'{"f":"Infinity","lf":[1.0]}',
        b'{"f":1.0,"lf":["NaN","-Infinity"]}',
        b'{"f":1.0,"lf":[1.0]}',
    ]
    dropped = EventEncoder(source_of(columns=columns)).encode(frame_of(rows, columns))
    assert [value for _, value in dropped][:2] == [b'{"f":null,"lf":[1.0]}', b'{"f":1.0,"lf":[null,null]}']


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ((), None),
        (("s",), b"a"),
        (("i",), b"7"),
        (("b",), b"true"),
        (("d",), b"2026-11-28"),
        (("s", "i"), b'["a",7]'),
        (("s", "f"), None),
    ],
)
def test_a_key_is_one_column_as_text_or_a_list_of_several(key, wanted):
    row = {"s": "a", "i": 7, "f": None, "b": True, "at": START, "d": date(2026, 11, 28)}
    source = source_of(key)
    [(found, value)] = EventEncoder(source).encode(frame_of([row]))
    assert found == wanted
    [lines] = read_lines(source, [value])
    assert lines.records == [(wanted, value)]


def written(path, frame):
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_ndjson(path)
    return path


SMALL = {"number": "int64", "at": "timestamp"}


def read_numbers(file):
    found, last = [], None
    for batch in file.read():
        assert len(batch.times_us) == len(batch.records)
        for time_us, (_, value) in zip(batch.times_us, batch.records, strict=True):
            assert last is None or last <= time_us
            last = time_us
            found.append(json.loads(value)["number"])
    return found


@pytest.mark.parametrize("name", ["events.parquet", "events.csv", "events.ndjson"])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.sample(4)
def test_rows_come_in_the_order_of_their_times_and_ties_as_they_lie(tmp_path, name, in_order):
    seconds = [number // 7 for number in range(1_000)]
    if not in_order:
        random.Random(5).shuffle(seconds)
    rows = [{"number": number, "at": START + timedelta(seconds=second)} for number, second in enumerate(seconds)]
    rows.insert(3, {"number": -1, "at": None})
    path = written(tmp_path / name, frame_of(rows, SMALL))
    file = EventFile(source=source_of(columns=SMALL), path=path, sorted_rows=50)
    assert read_numbers(file) == sorted(range(1_000), key=lambda number: seconds[number])
    assert file.untimed == 1


@pytest.mark.parametrize("times", [[*range(50), *range(50)], [number * 7 % 3 for number in range(20_000)]])
def test_order_is_seen_across_pieces_and_ties_stay_in_theirs(tmp_path, monkeypatch, times):
    monkeypatch.setattr(event_rows, "BATCH_ROWS", max(1, len(times) // 20))
    rows = [{"number": number, "at": START + timedelta(milliseconds=at)} for number, at in enumerate(times)]
    file = EventFile(source=source_of(columns=SMALL), path=written(tmp_path / "events.parquet", frame_of(rows, SMALL)))
    assert read_numbers(file) == sorted(range(len(times)), key=lambda number: times[number])


@given(st.dictionaries(st.integers(0, 50), st.integers(1, 30), max_size=30), st.integers(1, 60))
def test_ranges_hold_all_slots_and_few_rows(slots, most):
    ranges = ranges_of(slots, most)
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))
    for first, end in ranges:
        held = [slots[slot] for slot in range(first, end) if slot in slots]
        assert held
        assert sum(held) <= most or len(held) == 1
    assert sum(slots[slot] for first, end in ranges for slot in range(first, end) if slot in slots) == sum(
        slots.values()
    )


def test_a_time_that_select_makes_orders_rows_and_is_not_sent(tmp_path):
    columns = {"ts": "int64"}
    made = NamedExpression(name="at", expression=type_expression("to_timestamp(ts)", columns), dtype="timestamp")
    source = source_of(columns=columns, select=(made,))
    path = written(tmp_path / "events.parquet", pl.DataFrame({"ts": [30, 10, 20]}))
    [batch] = EventFile(source=source, path=path).read()
    assert [value for _, value in batch.records] == [b'{"ts":10}', b'{"ts":20}', b'{"ts":30}']
    assert batch.times_us == [10_000_000, 20_000_000, 30_000_000]


def test_dates_are_midnights_in_the_time_zone_of_the_source(tmp_path):
    columns = {"at": "date"}
    source = source_of(columns=columns, timezone="America/New_York")
    path = written(tmp_path / "events.parquet", pl.DataFrame({"at": [date(2026, 7, 1)]}))
    [batch] = EventFile(source=source, path=path).read()
    decoder = EventDecoder(source)
    assert batch.times_us == [decoder.event_us(decoder.decode(batch.records[0][1]))]


def test_a_file_that_is_none_of_the_source_says_so(tmp_path):
    with pytest.raises(UsageError, match="nothing tells the format of") as caught:
        list(EventFile(source=source_of(), path=tmp_path / "events.txt").read())
    assert ".parquet" in caught.value.hint
    path = written(tmp_path / "events.parquet", pl.DataFrame({"number": ["x"], "at": [START]}))
    with pytest.raises(DataError) as wrong:
        list(EventFile(source=source_of(columns=SMALL), path=path).read())
    assert wrong.value.code == "FC504"


@pytest.mark.long
def test_a_large_file_out_of_order_is_read_within_little_memory(tmp_path):
    times = list(range(60_000))
    random.Random(1).shuffle(times)
    at = pl.from_epoch("at", "s").dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    path = written(tmp_path / "e.parquet", pl.DataFrame({"number": times, "at": times}).with_columns(at))
    file = EventFile(source=source_of(columns=SMALL), path=path, sorted_rows=6_000)
    tracemalloc.start()
    try:
        most = max(len(batch.records) for batch in file.read())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most <= 6_000
    assert peak < 12_000_000  # of Python's own


def test_lines_are_sent_as_they_are_and_whole():
    source = source_of(("number",), SMALL)
    lines = [b'{"number": %d, "at": "2026-01-01T00:00:%02d", "more": 1}' % (number, number) for number in range(5)]
    text = b"\n\n".join(lines)
    chunks = [text[:10], text[10:100], text[100:]]
    batches = list(read_lines(source, chunks))
    assert [record for batch in batches for record in batch.records] == [
        (b"%d" % number, line) for number, line in enumerate(lines)
    ]
    assert [time for batch in batches for time in batch.times_us] == [
        1_767_225_600_000_000 + n * 10**6 for n in range(5)
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"number": "x", "at": "2026-01-01"}', "line 3, column number: 'x' is no int64"),
        (b'{"number": 1}', "line 3, column at: null event time"),
        (b"{", "line 3: no JSON"),
    ],
)
def test_a_line_that_is_no_event_is_named(line, problem):
    good = b'{"number": 1, "at": "2026-01-01"}\n'
    with pytest.raises(DataError, match=problem):
        list(read_lines(source_of(columns=SMALL), [good, b"\n", line]))


class Clock:
    """Seconds that go by only when somebody sleeps, or sends."""

    def __init__(self):
        self.now, self.slept = 50.0, []

    def now_s(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds

    def clock(self):
        return SendClock(now_s=self.now_s, sleep=self.sleep)


class Writer:
    """Keeps when each record was flushed."""

    def __init__(self, clock):
        self.clock, self.pending, self.sent, self.acknowledged = clock, [], [], 0

    def send(self, records):
        self.pending += records

    def flush(self, _timeout_s=0):
        self.sent += [(round(self.clock.now - 50, 3), value) for _, value in self.pending]
        self.acknowledged, self.pending = len(self.sent), []
        return self.acknowledged

    def close(self):
        pass


def timed(seconds):
    return TimedRecords(times_us=[int(at * 1e6) for at in seconds], records=[(None, b"%g" % at) for at in seconds])


@pytest.mark.parametrize(
    ("pace", "wanted"),
    [
        (SendPace(), [0, 0, 0, 0, 0]),
        (SendPace(speed=1), [0, 1, 1, 10, 100]),
        (SendPace(speed=10), [0, 0.1, 0.1, 1, 10]),
        (SendPace(rate=2), [0, 0.5, 1, 1.5, 2]),
        (SendPace(speed=10, rate=1), [0, 1, 2, 3, 10]),
    ],
)
def test_events_are_sent_when_they_are_due(pace, wanted):
    clock = Clock()
    writer, heard = Writer(clock), []
    batches = [timed([1000, 1001, 1001]), timed([1010, 1100])]
    report = send_events(batches, writer, pace, clock.clock(), heard.append)
    assert [at for at, _ in writer.sent] == pytest.approx(wanted, abs=0.011)
    assert [value for _, value in writer.sent] == [b"1000", b"1001", b"1001", b"1010", b"1100"]
    assert report == heard[-1] == SendReport(sent=5, first_us=1000 * 10**6, last_us=1100 * 10**6)


def test_events_that_are_due_together_are_sent_together():
    clock = Clock()
    writer, flushes = Writer(clock), []
    send_events([timed([0.001 * at for at in range(1_000)])], writer, SendPace(speed=1), clock.clock(), flushes.append)
    assert 50 <= len(flushes) <= 120
    assert all(at <= float(value) + 0.02 for at, value in writer.sent)


def test_a_slow_broker_is_caught_up_with():
    clock = Clock()
    writer = Writer(clock)
    flush = writer.flush

    def slow(_timeout_s):
        clock.now += 0.5
        return flush()

    writer.flush = slow
    send_events([timed([0.1 * at for at in range(100)])], writer, SendPace(speed=1), clock.clock())
    assert writer.sent[-1][0] < 11.5


def test_a_file_is_sent_to_a_topic(tmp_path):
    rows = [{"number": number, "at": START + timedelta(seconds=-number)} for number in range(100)]
    source = source_of(("number",), SMALL)
    path = written(tmp_path / "events.csv", frame_of(rows, SMALL))
    with closing(open_topics(f"sqlite:///{tmp_path / 'streams.db'}")) as broker:
        broker.create("t", 2)
        with closing(broker.open_writer("t")) as writer:
            report = send_events(EventFile(source=source, path=path).read(), writer, SendPace(), Clock().clock())
        with reading(broker, "t") as log:
            found = read_to_end(log)
    assert report.sent == 100
    numbers = {name: [json.loads(value)["number"] for _, _, value in messages] for name, messages in found.items()}
    assert sorted(number for some in numbers.values() for number in some) == list(range(100))
    assert all(some == sorted(some, reverse=True) for some in numbers.values())
    assert all(key == b"%d" % json.loads(value)["number"] for some in found.values() for _, key, value in some)
