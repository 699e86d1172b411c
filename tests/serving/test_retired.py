"""A server lets go of a version that is retired, without a restart."""

from __future__ import annotations

from tests.serving.trial import run, wait_until


def test_a_retired_version_is_not_served_any_more_without_a_restart(own_trial, opened):
    client = opened(own_trial, reload_s=0.05, timeout_s=20.0, allow_pickle=True)
    body = {"rows": [{"user": 1, "price": 1.0}], "version": "2"}
    wait_until(lambda: client.get("/ready").status_code == 200)
    assert client.post("/v1/predict/trial", json=body).status_code == 200
    assert client.get("/v1/models").json()["models"][0]["loaded"] == [1, 2]
    run(own_trial, "models", "retire", "trial@2")
    wait_until(lambda: client.get("/v1/models").json()["models"][0]["loaded"] == [1])
    told = client.get("/v1/models").json()["models"][0]
    assert 2 not in told["versions"]
    assert 1 in told["versions"]
    refused = client.post("/v1/predict/trial", json=body)
    assert (refused.status_code, "trial version 2 is retired" in refused.text) == (404, True)
    assert client.post("/v1/predict/trial", json=body | {"version": "1"}).status_code == 200
