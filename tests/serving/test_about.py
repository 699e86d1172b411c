"""What a server says of itself."""

from __future__ import annotations

import json
import re

import pytest
from jsonschema import Draft202012Validator

from tests.serving.clicks import request_rows, run


def test_health_says_who_lives_for_how_long_with_which_model(client):
    body = client.get("/health").json()
    assert (body["status"], body["model"]) == ("ok", "click@1")
    assert body["uptime"] >= 0
    assert body["server"]


def test_a_server_is_ready_when_its_store_its_models_and_its_views_are(client):
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["status"], answer.json()["problems"]) == (200, "ready", [])


def test_a_view_past_its_error_after_is_stale_and_its_server_ready(clicks, opened):
    client = opened(clicks, as_of="2026-03-08T00:00:00Z")
    client.post("/v1/features", json={"features": ["spend:*"], "entities": {"user": [1]}})
    answer = client.get("/fresh")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    late = ["view spend@1 is older than its error_after", "feature spend@1:mean_7d is older than its error_after"]
    assert answer.json()["problems"] == late
    assert client.get("/ready").status_code == 200
    assert stale(client) == {"count_1d", "count_7d", "amount_sum_7d", "amount_max_7d", "mean_7d"}


def test_a_feature_is_stale_by_its_own_error_after_alone(clicks, opened):
    client = opened(clicks, as_of="2026-02-01T00:00:00Z")
    assert stale(client) == {"mean_7d"}
    assert client.get("/fresh").json()["problems"] == ["feature spend@1:mean_7d is older than its error_after"]
    fresh = opened(clicks, as_of="2026-01-20T00:00:00Z")
    assert (stale(fresh), fresh.get("/fresh").status_code) == (set(), 200)


def stale(client):
    """Return the features of a view that are answered as stale."""
    answer = client.post("/v1/features", json={"features": ["spend:*"], "entities": {"user": [1]}}).json()
    return {name for name, column in answer["features"].items() if column.get("stale")}


def test_a_model_with_another_file_than_registered_is_alone_not_served(own_clicks, opened):
    (path,) = (own_clicks / "off" / "models" / "click").glob("*.txt")
    path.write_bytes(path.read_bytes().replace(b"tree", b"free", 1))
    for other in (own_clicks / "off" / "models" / "click").glob("*.onnx"):
        other.write_bytes(other.read_bytes() + b"x")
    client = opened(own_clicks)
    ready = client.get("/ready")
    assert ready.status_code == 503
    assert "is not the file that was registered" in ready.json()["problems"][0]
    answer = client.post("/v1/predict/click", json={"rows": request_rows(1)})
    assert (answer.status_code, "is not the file" in answer.json()["detail"]) == (503, True)
    asked = {"features": ["spend:count_7d"], "entities": {"user": [1]}}
    assert client.post("/v1/features", json=asked).status_code == 200


def test_models_and_views_are_listed_with_what_they_need(client):
    (model,) = client.get("/v1/models").json()["models"]
    assert model["aliases"] == {"champion": 1}
    assert model["columns"] == ["user", "merchant", "hour", "price"]
    views = {view["view"]: view for view in client.get("/v1/views").json()["views"]}
    assert set(views) == {"bond", "profile", "spend"}
    assert views["bond"]["keys"] == {"user": "int64", "merchant": "string"}
    assert views["profile"]["features"]["joined"] == "timestamp"


def test_metrics_have_the_names_of_the_field_and_no_key_of_an_entity(client):
    client.post("/v1/predict/click", json={"rows": [{"user": 17, "merchant": "m5", "hour": 1, "price": 2}]})
    client.post("/v1/predict/click", json={"rows": [{}]})
    client.get("/v1/predict/../secret-17")
    text = client.get("/metrics").text
    assert 'featurectl_http_requests_total{method="POST",route="/v1/predict/{model}",status="200"} 1.0' in text
    assert 'featurectl_http_requests_total{method="POST",route="/v1/predict/{model}",status="400"} 1.0' in text
    assert 'featurectl_predictions_total{model="click",version="1"} 1.0' in text
    assert 'featurectl_model_loaded{alias="champion",model="click",version="1"} 1.0' in text
    assert "featurectl_http_request_duration_seconds_bucket" in text
    assert "featurectl_online_store_read_duration_seconds_count 1.0" in text
    assert "secret" not in text
    assert '"17"' not in text
    names = set(re.findall(r"^(\w+)(?:\{| )", text, re.MULTILINE))
    assert {name for name in names if not name.startswith("featurectl_")} == set()


def test_openapi_names_every_route_and_takes_what_the_server_takes(client):
    document = client.get("/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/features", "/v1/predict/{model}", "/predict", "/health", "/ready", "/fresh", "/metrics", "/v1/models",
        "/v1/views", "/openapi.json",
    }  # fmt: skip
    schema = {"$ref": "#/components/schemas/PredictBody", "components": document["components"]}
    validator = Draft202012Validator(json.loads(json.dumps(schema)))
    assert validator.is_valid({"rows": request_rows(2), "version": 1, "return": ["features"]})
    assert not validator.is_valid({"rows": [], "version": 1})
    assert not validator.is_valid({"rows": request_rows(1), "other": 1})


READ = {"entities": {"user": [3]}}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/features", READ | {"features": ["spend:*"]}, 200),
        ("/v1/features", READ | {"features": ["spend:*"], "model": None}, 200),
        ("/v1/features", {"entities": {"user": [3], "merchant": ["m1"]}, "model": "click", "version": 1}, 200),
        ("/v1/features", READ, 400),
        ("/v1/features", READ | {"features": None, "model": None}, 400),
        ("/v1/features", READ | {"features": ["spend:*"], "model": "click"}, 400),
        ("/v1/features", READ | {"features": ["spend:*"], "version": 1}, 400),
        ("/predict", request_rows(1)[0] | {"model": None, "model_version": "1"}, 200),
        ("/predict", request_rows(1)[0] | {"model_version": 1}, 200),
        ("/predict", request_rows(1)[0] | {"model": False}, 400),
        ("/predict", request_rows(1)[0] | {"model": ""}, 400),
        ("/predict", request_rows(1)[0] | {"model_version": 1.5}, 400),
    ],
)
def test_a_body_fits_the_openapi_document_when_and_only_when_it_is_taken(client, path, body, status):
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    document = client.get("/openapi.json").json()
    (content,) = document["paths"][path]["post"]["requestBody"]["content"].values()
    schema = content["schema"] | {"components": document["components"]}
    assert Draft202012Validator(json.loads(json.dumps(schema))).is_valid(body) is (status == 200)


def test_a_method_that_a_path_lacks_is_refused_as_openapi_says(client):
    document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        known = {method.upper() for method in operations} & {"GET", "POST"}
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - known:
            answer = client.request(method, path.replace("{model}", "click"))
            assert (answer.status_code, answer.json()["title"]) == (405, "Method Not Allowed"), (method, path)
            assert known <= set(answer.headers["allow"].split(", "))
            told = operations[min(known).lower()]["responses"]["405"]
            assert (list(told["content"]), list(told["headers"])) == ([answer.headers["content-type"]], ["allow"])


def test_what_is_trained_while_a_server_runs_is_served_without_a_restart(own_clicks, opened):
    client = opened(own_clicks, reload_s=0.05)
    rows = request_rows(3)
    before = client.post("/v1/predict/click", json={"rows": rows}).json()
    run(own_clicks, "train", "click", "--again")
    for _ in range(200):
        answer = client.post("/v1/predict/click", json={"rows": rows, "version": 2})
        if answer.status_code == 200:
            break
        assert answer.status_code == 404
    assert answer.json()["version"] == 2
    after = client.post("/v1/predict/click", json={"rows": rows}).json()
    assert (after["version"], after["rows"]) == (1, before["rows"])
    assert 'featurectl_reloads_total{result="done"}' in client.get("/metrics").text


def test_a_server_is_not_ready_while_what_its_model_reads_is_of_the_future(own_clicks, opened):
    client = opened(own_clicks)
    assert client.get("/ready").status_code == 200
    run(own_clicks, "push", "--as-of", "2099-01-01T00:00:00Z", "--allow-future", "bond")
    answer = client.get("/ready")
    (problem,) = answer.json()["problems"]
    assert answer.status_code == 503
    assert problem.startswith("view bond@1 was pushed as of 2099-01-01 00:00, ")
    run(own_clicks, "push", "--full", "bond")
    assert client.get("/ready").status_code == 200
