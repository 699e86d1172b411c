"""Events as they nearly always come are read in one step, and every event is what the other way says of it."""

from __future__ import annotations

import json
from random import Random

import pytest

from featurectl.expressions.check import type_expression
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.streaming.event_decoder import BadEvent, EventDecoder
from featurectl.streaming.plain_events import PlainEvents

COLUMNS = {
    "text": "string", "n": "int64", "x": "float64", "is": "bool", "at": "timestamp", "day": "date",
    "cents": "decimal(6,2)", "all": "list(int64)", "odd name": "int64",
}  # fmt: skip
DOUBLED = NamedExpression(name="n", expression=type_expression("n - 1", COLUMNS), dtype="int64")
SOURCES = [
    Source(name="events", format="stream", event_time="at", columns=COLUMNS, timezone=timezone, select=select)
    for timezone in ("UTC", "America/New_York")
    for select in ((), (DOUBLED,))
]
GOOD: dict[str, list[object]] = {
    "text": ["", "x", "2026-01-31"],
    "n": [0, -1, 2**63 - 1, -(2**63)],
    "x": [0.5, -0.0, 1e300],
    "is": [True, False],
    "at": ["2026-01-31T05:30:00Z", "2026-01-31T05:30:00.123Z", "2026-01-31T05:30:00.123456Z"],
    "day": ["2026-01-31"],
    "cents": [1.25, "1.25"],
    "all": [[], [1, None]],
    "odd name": [7],
}
ANY: list[object] = [
    None, "é", '"\\', "\x7f", "7", 7, 2**63, -(2**63) - 1, 2**53 + 1, 7.0, 7.5, True, [1], {"a": 1},
    "2026-02-30T05:30:00Z", "2026-01-31T24:00:00Z", "2026-01-31t05:30:00z", "2026-01-31 05:30:00Z",
    "20260131T053000.5Z  ", "2026-W05-6T05:30:00Z", "2026-01-31T05:30",
    "2026-01-31T05:30:00+0100", "2026-01-31T05:30:00.1234567Z", "1e3", "NaN",
]  # fmt: skip
RAW = [b"1e999", b"-1e999", b"NaN", b"01", b"1.", b'"\xff"', b'"\\ud800"', b'"\x01"', b"9" * 400, b"[" * 2_000, b"nul"]
OTHER = ["other", "é", "n ", "N", "a\nb", '"']


def by_the_other_way(decoder: EventDecoder, value: bytes) -> object:
    found = decoder.fields(value)
    return found if isinstance(found, BadEvent) else decoder.read(found)


def random_event(random: Random) -> bytes:
    """An event whose columns are good, but some, with other fields, fields that come twice, and broken bytes."""
    pairs: list[tuple[str, object]] = [(name, random.choice(values)) for name, values in GOOD.items()]
    if random.random() < 0.5:
        pairs = [pair for pair in pairs if random.random() < 0.9]
    for _ in range(random.choice([0, 0, 1, 2])):
        pairs.append((random.choice([*COLUMNS, *OTHER]), random.choice(ANY)))
    random.shuffle(pairs)
    ascii_only = random.random() < 0.5
    fields = [f"{json.dumps(name, ensure_ascii=ascii_only)}: {json.dumps(value, ensure_ascii=ascii_only)}".encode()
              for name, value in pairs]  # fmt: skip
    if random.random() < 0.1:
        fields.append(json.dumps(random.choice([*COLUMNS, *OTHER])).encode() + b":" + random.choice(RAW))
    value = b"{" + b", ".join(fields) + b"}"
    if random.random() < 0.1:
        place = random.randrange(len(value))
        value = value[:place] + random.choice([b"", b" ", b"\n", b"\\", b"}", b"\xc3"]) + value[place + 1 :]
    return random.choice([b"", b"\xef\xbb\xbf", b" ", b"\n"]) + value if random.random() < 0.1 else value


@pytest.mark.sample(4)
@pytest.mark.parametrize("seed", range(200))
def test_any_event_is_what_the_other_way_says(seed: int):
    random = Random(seed)
    decoder = EventDecoder(random.choice(SOURCES))
    for _ in range(300):
        value = random_event(random)
        assert repr(decoder.decode(value)) == repr(by_the_other_way(decoder, value)), value  # NaN, -0.0 and True, too


@pytest.mark.parametrize("name", ["é", 'the "n"', "a\\b", "a\nb"])
def test_a_column_of_any_name_is_read(name: str):
    source = Source(name="events", format="stream", event_time="at", columns={name: "int64", "at": "timestamp"})
    event = {name: 7, "at": "1970-01-01T00:00:00Z"}
    assert EventDecoder(source).decode(json.dumps(event).encode()) == (7, 0)


def plain(columns: dict[str, str], **event: object) -> list[object] | None:
    found = PlainEvents(columns).fields(json.dumps(event).encode())
    return None if found is None else [*found]


def test_an_event_of_the_columns_types_is_read_in_one_step(monkeypatch: pytest.MonkeyPatch):
    decoder = EventDecoder(SOURCES[0])
    monkeypatch.setattr(decoder, "fields", None)
    for number in range(3):
        event = {name: values[number % len(values)] for name, values in GOOD.items()}
        found = decoder.decode(json.dumps(event).encode())
        assert not isinstance(found, BadEvent)
        assert found[:4] == tuple([*event.values()][:4])


def test_what_an_event_lacks_is_null():
    assert plain({"a": "int64", "b": "string"}, b="x") == [None, "x"]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 1.0, "1", True, [1]])
def test_an_event_with_a_value_of_another_type_is_not_plain(value: object):
    assert plain({"a": "int64"}, a=1) == [1]
    assert plain({"a": "int64"}, a=value) is None


@pytest.mark.parametrize("text", ["é", "a\\b", '"'])
def test_an_event_with_escapes_or_other_letters_is_not_plain(text: str):
    events = PlainEvents({"a": "string"})
    assert events.fields(json.dumps({"a": text}).encode()) is None
    assert events.fields(json.dumps({"a": text}, ensure_ascii=False).encode()) is None


def test_fields_that_are_no_columns_are_learned(monkeypatch: pytest.MonkeyPatch):
    decoder = EventDecoder(Source(name="events", format="stream", event_time="at", columns={"at": "timestamp"}))
    event = json.dumps({"more": {"a": [1]}, "at": "2026-01-31T05:30:00Z", "yet more": None}).encode()
    first = decoder.decode(event)
    with monkeypatch.context() as patched:
        patched.setattr(decoder, "fields", None)
        assert decoder.decode(event) == first
    # What is wrong in such a field makes the whole event none, as before.
    assert isinstance(decoder.decode(event.replace(b"null", b"1e999")), BadEvent)


def test_not_more_than_some_names_of_other_fields_are_learned():
    events = PlainEvents({"a": "int64"})
    for number in range(1_000):
        events.learn({"a": 1, f"other{number}": 1})
    known = [number for number in range(1_000) if events.fields(b'{"a": 1, "other%d": 2}' % number) is not None]
    assert known == [*range(200)]


def test_names_as_long_as_messages_are_not_learned():
    events = PlainEvents({"a": "int64"})
    for size in (256, 257):
        events.learn({"n" * size: 1})
    found = [events.fields(b'{"a": 1, "%b": 2}' % (b"n" * size)) for size in (256, 257)]
    assert found == [(1, 2), None]
