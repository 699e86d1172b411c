"""What is refused of requests with events: by its place and column, with nothing of it sent."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.seeds import examples
from tests.serving.events.shop import EventShop, ahead, swipe, wait_for


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> EventShop:
    return EventShop(tmp_path_factory.mktemp("events"))


@pytest.fixture(scope="module")
def client(shop: EventShop) -> Iterator[TestClient]:
    with shop.served(max_events=5, max_body_bytes=20_000) as opened:
        wait_for(lambda: opened.get("/ready").json()["serial"] is not None)
        yield opened


@pytest.mark.parametrize(
    ("wrong", "column", "reason"),
    [
        ({"amount": "much"}, "amount", "'much' is no float64"),
        ({"swipe": 2**63}, "swipe", "9223372036854775808 is no int64"),
        ({"card": [7]}, "card", "[7] is no string"),
        ({"at": None}, "at", "null event time"),
        ({"at": "yesterday"}, "at", "'yesterday' is no timestamp"),
        ({"amount": 1_001}, "amount", "fails the check amount between -1000 and 1000"),
        ({"card": None}, "card", "fails the check card not_null"),
        ({"card": "x" * 9_000}, "card", "the key of its entity takes 9,006 bytes in a store, 1,024 are allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_that_does_not_fit_is_refused_with_all_others(client, shop, wrong, column, reason):
    answer = client.post("/v1/events/swipes", json=[swipe(1), swipe(2, **wrong), swipe(3)])
    assert answer.status_code == 422, answer.text
    assert answer.json()["rejected"] == [{"event": 1, "column": column, "reason": reason}]
    assert answer.json()["detail"] == (
        f"1 of 3 events do not fit source swipes, and none was sent: event 2, column {column}: {reason}"
    )
    assert shop.sent() == []


def test_an_event_of_the_future_is_refused_and_one_of_soon_is_not(client):
    soon = client.post("/v1/events/swipes", json=swipe(1, at=ahead(50)))
    later = client.post("/v1/events/swipes", json=[swipe(2), swipe(3, at=ahead(70))])
    assert (soon.status_code, later.status_code) == (202, 422)
    assert later.json()["rejected"] == [
        {"event": 1, "column": "at", "reason": "its time is more than 1 h ahead of the clock"}
    ]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"", 400, "begins with { or ["),
        (b"7", 400, "begins with { or ["),
        (b"{", 400, "can't be read"),
        (b'{"swipe": 1} {}', 400, "can't be read"),
        (b"[1, 2", 400, "can't be read"),
        (b"[]", 400, "0 events; 1 to 5 are allowed"),
        (b"[{},{},{},{},{},{}]", 400, "6 events; 1 to 5 are allowed"),
        (b"[" * 9_000, 400, "nested too deeply"),
        (b"[1, [], null]", 422, "3 of 3 events do not fit"),
        (b'{"swipe": "\xff"}', 422, "event 1: no JSON"),
        (b'[{"card": "\\ud800"}]', 400, "can't be read"),
        (b" " * 20_001, 413, "larger than 20,000 bytes"),
    ],
    ids=lambda value: repr(value)[:24] if isinstance(value, bytes) else "",
)
def test_a_body_that_is_none_is_refused_in_words(client, body, status, says):
    answer = client.post("/v1/events/swipes", content=body)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text


@pytest.mark.parametrize(
    ("path", "headers", "status", "says"),
    [
        ("swipes?sync=maybe", {}, 400, "sync: 'maybe' is none of 1 and 0"),
        ("swipes", {"Idempotency-Key": ""}, 400, "0 characters; 1 to 255"),
        ("swipes", {"Idempotency-Key": "k" * 256}, 400, "256 characters; 1 to 255"),
        ("shops", {}, 404, "source shops is no stream"),
        ("swipers", {}, 404, "swipers"),
    ],
)
def test_a_wrong_path_or_header_is_refused_in_words(client, path, headers, status, says):
    answer = client.post(f"/v1/events/{path}", json=swipe(1), headers=headers)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text


def test_only_posts_are_taken(client):
    assert client.get("/v1/events/swipes").status_code == 405


def test_what_is_taken_and_refused_is_counted(client):
    assert client.post("/v1/events/swipes", json=swipe(1)).status_code == 202
    assert client.post("/v1/events/swipes", json=swipe(2) | {"amount": 1_001}).status_code == 422
    text = client.get("/metrics").text
    assert 'featurectl_events_total{result="taken",source="swipes"}' in text
    assert 'featurectl_refused_events_total{reason="check",source="swipes"}' in text
    assert 'featurectl_event_request_duration_seconds_count{source="swipes"}' in text


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
EVENTS = st.one_of(
    VALUES, st.fixed_dictionaries({}, optional=dict.fromkeys(("swipe", "card", "amount", "at", "other"), VALUES))
)


@pytest.mark.long
@given(body=st.one_of(EVENTS, st.lists(EVENTS, max_size=6)), key=st.one_of(st.none(), st.text("abc", max_size=2)))
@settings(max_examples=examples(60, 500))
def test_events_of_any_kind_are_taken_or_refused(client, body, key):
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = client.post("/v1/events/swipes", content=json.dumps(body), headers=headers)
    assert answer.status_code in (202, 400, 422), answer.text
