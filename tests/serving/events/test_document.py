"""The OpenAPI document of a server that takes events, and any request made from it."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tests.serving.events.shop import EventShop, swipe, wait_for
from tests.serving.process import running
from tests.serving.test_any_request import CONFORM

FEW, MANY = 25, 1_000


@pytest.mark.long
def test_the_document_has_the_columns_of_each_stream(file_shop: EventShop):
    with file_shop.served() as client:
        wait_for(lambda: client.get("/ready").json()["serial"] is not None)
        document = client.get("/openapi.json").json()
    assert [path for path in document["paths"] if "events" in path] == ["/v1/events/swipes"]
    assert document["components"]["schemas"]["events_swipes"] == {
        "type": "object",
        "properties": {
            "swipe": {"type": ["integer", "null"], "minimum": -(2**63), "maximum": 2**63 - 1},
            "card": {"type": "string"},
            "amount": {"type": ["number", "null"], "minimum": -1000, "maximum": 1000},
            "at": {"type": "string", "format": "date-time"},
        },
        "required": ["at", "card"],
    }
    operation = document["paths"]["/v1/events/swipes"]["post"]
    assert {"200", "202", "409", "422", "503"} < set(operation["responses"])


def check_all(shop: EventShop, examples: int) -> dict[int, int]:
    """Send so many good and so many bad requests with events."""
    load_all_checks()
    sent: dict[int, int] = {}
    options = ("--events", "--timeout", "30", "--event-timeout", "30")
    with running(shop.root, *options) as server:
        schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
        for mode in GenerationMode:
            check_mode(schema["/v1/events/swipes"]["POST"], mode, examples, sent)
        assert server.complaints() == [line for line in server.complaints() if "view_waiting" in line]
    return sent


def check_mode(operation, mode, examples, sent):
    """Send requests of one kind, and count the answers."""
    checks = CHECKS.get_by_names(CONFORM)

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def check(case):
        case.query.pop("sync", None)  # which waits for a worker
        for event in case.body if isinstance(case.body, list) else [case.body]:
            if mode == GenerationMode.POSITIVE and isinstance(event, dict) and isinstance(event.get("at"), str):
                event["at"] = swipe(1)["at"]  # most instants that are drawn are ahead
        answer = case.call()
        assert answer.status_code < 500, answer.text
        case.validate_response(answer, checks=checks)
        sent[answer.status_code] = sent.get(answer.status_code, 0) + 1

    check()


@pytest.mark.long
def test_every_answer_to_events_is_one_that_the_document_names(file_shop: EventShop):
    sent = check_all(file_shop, FEW)
    assert sent[202] >= 3
    assert sent[400] + sent[422] > FEW / 2


@pytest.mark.stress
def test_every_answer_to_many_events_is_one_that_the_document_names(file_shop: EventShop):
    check_all(file_shop, MANY)
