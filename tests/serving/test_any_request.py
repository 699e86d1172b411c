"""Any request at all, made from the OpenAPI document: no fault of ours, no answer that the document does not name."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from starlette.testclient import TestClient

from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.seeds import examples
from tests.serving.process import running

CONFORM = ["status_code_conformance", "content_type_conformance", "response_schema_conformance"]
FEW, MANY = 12, 2_000


@pytest.fixture(scope="module")
def shared(clicks):
    """A client of one server for all examples."""
    with TestClient(open_app(ServeSettings(root=str(clicks), timeout_s=30.0)), raise_server_exceptions=False) as client:
        yield client


def check_all(root, examples):
    """Send so many good and so many bad requests to every route."""
    load_all_checks()
    checks = CHECKS.get_by_names(CONFORM)
    sent: dict[int, int] = {}
    with running(root, "--timeout", "30") as server:
        for found in schemathesis.openapi.from_url(f"{server.url}/openapi.json").get_all_operations():
            operation = found.ok()
            for mode in GenerationMode if operation.body else [GenerationMode.POSITIVE]:

                @given(case=operation.as_strategy(generation_mode=mode))
                @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
                def check(case):
                    answer = case.call()
                    assert answer.status_code < 500 or answer.status_code == 503, answer.text
                    case.validate_response(answer, checks=checks)
                    sent[answer.status_code] = sent.get(answer.status_code, 0) + 1

                check()
    return sent


@pytest.mark.long
def test_every_answer_to_any_request_is_one_that_the_document_names(own_clicks):
    sent = check_all(own_clicks, FEW)
    assert sent[200] >= 5
    assert sent[400] > FEW
    assert sent[404] > 1


@pytest.mark.stress
def test_every_answer_to_many_requests_is_one_that_the_document_names(own_clicks):
    check_all(own_clicks, MANY)


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=5),
    st.sampled_from([2**63 - 1, -(2**63), 2**64, 1e308, 0.1, "7", "2026-01-01", "m1", 3, 41]),
)  # fmt: skip
NAMES = ["spend:*", "profile:*", "spend:mean_7d", "profile:tier", "profile:joined", "bond:count_7d"]
ASKS = st.fixed_dictionaries(
    {
        "entities": st.fixed_dictionaries(
            {"user": st.lists(SCALARS, min_size=1, max_size=3), "merchant": st.lists(SCALARS, min_size=1, max_size=3)}
        ),
        "features": st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True),
    },
    optional={
        "time": st.sampled_from(["2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]),
        "return": st.just(["version", "age", "event_time", "computed_at"]),
    },
)
ROWS = st.lists(
    st.fixed_dictionaries(dict.fromkeys(("user", "merchant", "hour", "price"), SCALARS)), min_size=1, max_size=3
)


@pytest.mark.long
@given(body=ASKS)
@settings(max_examples=examples(20, 150))
def test_values_of_any_kind_for_features_are_answered_or_refused(shared, body):
    answer = shared.post("/v1/features", json=body)
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 200:
        count = len(body["entities"]["user"])
        assert all(
            len(column["values"]) == len(column["status"]) == count for column in answer.json()["features"].values()
        )


@given(rows=ROWS)
@settings(max_examples=examples(20, 150))
def test_values_of_any_kind_to_be_scored_are_answered_or_refused(shared, rows):
    answer = shared.post("/v1/predict/click", json={"rows": rows, "return": ["features", "status"]})
    assert answer.status_code in (200, 400), answer.text
    flat = shared.post("/predict", json=rows[0])
    assert flat.status_code in (200, 400), flat.text
    if answer.status_code == 200:
        assert flat.json()["score"] == pytest.approx(answer.json()["rows"][0]["score"], abs=1e-12)
