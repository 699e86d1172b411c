"""Who may send events, when a server takes them at all, and what of its sources changes while it runs."""

from __future__ import annotations

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import UsageError
from tests.serving.events.shop import EventShop, swipe, wait_for


def test_a_server_takes_no_events_unless_it_is_told_to(file_shop: EventShop):
    with file_shop.served(events=False) as client:
        answer = client.post("/v1/events/swipes", json=swipe(1))
        assert (answer.status_code, answer.json()["detail"]) == (404, "this server takes no events")
        assert answer.json()["hint"] == "featurectl serve --events"
        assert not [path for path in client.get("/openapi.json").json()["paths"] if "events" in path]
        assert "featurectl_events" not in client.get("/metrics").text


def test_keys_of_features_and_of_events_open_their_own_routes(file_shop: EventShop, monkeypatch):
    monkeypatch.setenv("FEATURECTL_API_KEYS", "reader")
    monkeypatch.setenv("FEATURECTL_EVENT_KEYS", "old, new")
    with file_shop.served() as client:
        wait_for(lambda: client.get("/ready").json()["serial"] is not None)

        def status(path: str, **headers: str) -> int:
            return int(client.post(path, json=swipe(1), headers=headers).status_code)

        assert [status("/v1/events/swipes", authorization=f"Bearer {key}") for key in ("old", "new")] == [202, 202]
        assert status("/v1/events/swipes", **{"x-api-key": "new"}) == 202
        assert status("/v1/events/swipes", **{"x-api-key": "reader"}) == 401
        assert status("/v1/events/swipes") == 401
        assert status("/v1/features", **{"x-api-key": "new"}) == 401
        assert status("/v1/features", **{"x-api-key": "reader"}) == 400
        refused = client.post("/v1/events/swipes", json=swipe(1))
        assert refused.json()["detail"] == "a key for events is needed"


@pytest.mark.parametrize(
    ("api", "events", "says"),
    [
        ("a", None, "FEATURECTL_API_KEYS is set and FEATURECTL_EVENT_KEYS is not: anybody could send events"),
        ("a,b", "c,b", "a key is in FEATURECTL_API_KEYS and in FEATURECTL_EVENT_KEYS"),
        (None, " ,", "FEATURECTL_EVENT_KEYS is set and holds no key"),
    ],
)
def test_keys_that_would_let_others_in_are_refused_at_the_start(file_shop, monkeypatch, api, events, says):
    for name, value in (("FEATURECTL_API_KEYS", api), ("FEATURECTL_EVENT_KEYS", events)):
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as error:
        file_shop.served()
    assert error.value.message == says


def test_events_need_a_clock_that_goes_on(file_shop: EventShop, capsys: pytest.CaptureFixture[str]):
    serve = ["serve", "-C", str(file_shop.root), "--events", "--port", "1"]
    assert main([*serve, "--env", "fixed"]) == 64
    assert "has a fixed clock" in capsys.readouterr().err
    assert main([*serve, "--as-of", "2026-01-01T00:00:00Z"]) == 64
    assert "events are stamped by the clock" in capsys.readouterr().err
    assert main([*serve, "--max-events", "2001"]) == 64
    assert "1 to 2000" in capsys.readouterr().err


@pytest.mark.long
def test_sources_are_taken_up_as_they_are_applied(file_shop: EventShop):
    with file_shop.served() as client:
        wait_for(lambda: client.get("/ready").json()["serial"] is not None)

        def status(source: str, **values: object) -> int:
            return int(client.post(f"/v1/events/{source}", json=swipe(1, **values)).status_code)

        assert (status("swipes"), status("taps")) == (202, 404)
        taps = "  - name: taps\n    stream: {topic: taps}\n    columns: {swipe: int64, at: timestamp}\n"
        file_shop.apply(lambda text: text.replace("  - {name: shops", f"{taps}    event_time: at\n  - {{name: shops"))
        wait_for(lambda: status("taps") == 202)
        assert "/v1/events/taps" in client.get("/openapi.json").json()["paths"]
        file_shop.apply(lambda text: text.replace("between: [-1000, 1000]", "between: [-9, 9]"), "taps")
        wait_for(lambda: status("taps") == 404)
        assert (status("swipes", amount=10), status("swipes", amount=9)) == (422, 202)
        assert "/v1/events/taps" not in client.get("/openapi.json").json()["paths"]


@pytest.mark.long
def test_a_stream_in_avro_is_refused_by_name(file_shop: EventShop):
    (file_shop.root / "swipe.avsc").write_text(
        '{"type": "record", "name": "swipe", "fields": [{"name": "swipe", "type": "long"},'
        ' {"name": "card", "type": ["null", "string"]}, {"name": "amount", "type": ["null", "double"]},'
        ' {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}}]}'
    )
    file_shop.apply(lambda text: text.replace(", key: [card]}", ", format: avro, schema: swipe.avsc}"))
    with file_shop.served() as client:
        wait_for(lambda: client.get("/ready").json()["serial"] is not None)
        answer = client.post("/v1/events/swipes", json=swipe(1))
        assert (answer.status_code, answer.json()["detail"]) == (
            404, "source swipes reads avro, and events are handed over as json",
        )  # fmt: skip
