"""Alive, ready, fresh: three questions, and what may keep a server from each of them."""

from __future__ import annotations

import shutil
import threading

import pytest
from starlette.testclient import TestClient

from featurectl.models.served_model import load_served
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.serving.startup import AT_ONCE
from tests import web
from tests.serving.clicks import FILES, request_rows, run
from tests.serving.process import START_LIMIT_S, running
from tests.serving.test_faults import Redis
from tests.serving.trial import CANARY, NUMBER, canary, state_of, wait_until, write_model

PREDICT = {"rows": request_rows(2, seed=4)}
FEATURES = {"features": ["spend:count_7d"], "entities": {"user": [1, 2, 3]}}
NEW_VIEW = """  - name: fresh_one
    entity: user
    source: orders
    aggregates: [{op: count, windows: [3d]}]
    freshness: {error_after: 1d}
models:
"""


def ready(client):
    answer = client.get("/ready")
    return answer.status_code, answer.json()["problems"], answer.json()["warnings"]


def test_a_registry_that_is_away_keeps_no_server_from_being_ready(own_clicks, opened, capsys):
    client = opened(own_clicks, reload_s=0.05, timeout_s=20.0)
    (own_clicks / "r.db").rename(own_clicks / "away.db")
    wait_until(lambda: ready(client)[2])
    assert ready(client) == (200, [], ["registry: the registry knows nothing of project clicks"])
    assert client.post("/v1/predict/click", json=PREDICT).status_code == 200
    (own_clicks / "away.db").rename(own_clicks / "r.db")
    wait_until(lambda: not ready(client)[2])
    said = capsys.readouterr().err
    assert (said.count(" registry_lost "), said.count(" registry_back ")) == (1, 1)


def test_another_registry_of_the_same_serial_is_taken_up(own_clicks, opened, tmp_path):
    client = opened(own_clicks, reload_s=0.05, timeout_s=20.0)
    assert client.get("/v1/models").json()["models"][0]["loaded"] == [1]
    other = shutil.copytree(own_clicks, tmp_path / "other")
    (other / "r.db").unlink()
    serial = client.get("/ready").json()["serial"]
    for hours in range(1, serial + 1):
        (other / "views.yaml").write_text(FILES["views.yaml"].replace("warn_after: 1d", f"warn_after: {hours}h"))
        run(other, "apply", "--auto-approve")
    assert state_of(other).serial == serial
    (other / "r.db").replace(own_clicks / "r.db")
    wait_until(lambda: client.get("/v1/models").json()["models"] == [], 20)


def test_a_restored_registry_that_has_changed_as_often_is_taken_up(own_clicks, opened, tmp_path, capsys):
    client = opened(own_clicks, reload_s=0.05, timeout_s=20.0)
    serial, restored = client.get("/ready").json()["serial"], shutil.copytree(own_clicks, tmp_path / "restored")
    (own_clicks / "views.yaml").write_text(FILES["views.yaml"].replace("warn_after: 1d", "warn_after: 9h"))
    run(own_clicks, "apply", "--auto-approve")
    wait_until(lambda: client.get("/ready").json()["serial"] == serial + 1)
    (restored / "views.yaml").write_text(FILES["views.yaml"].replace("models:\n", NEW_VIEW))
    run(restored, "apply", "--auto-approve")
    (restored / "r.db").replace(own_clicks / "r.db")
    wait_until(lambda: ready(client)[2] == ["fresh_one@1 is applied but was never pushed"], 20)
    assert client.get("/ready").json()["serial"] == serial + 1
    assert "of another registry or a restored one" in capsys.readouterr().err


def test_a_new_view_that_no_model_reads_keeps_no_server_from_being_ready(own_clicks, opened):
    client = opened(own_clicks, reload_s=0.05, timeout_s=20.0)
    (own_clicks / "views.yaml").write_text(FILES["views.yaml"].replace("models:\n", NEW_VIEW))
    run(own_clicks, "apply", "--auto-approve")
    wait_until(lambda: ready(client)[2])
    assert ready(client) == (200, [], ["fresh_one@1 is applied but was never pushed"])
    stale = client.get("/fresh")
    assert (stale.status_code, stale.json()["problems"]) == (503, ["view fresh_one@1 was never pushed"])


def test_a_view_that_a_champion_reads_and_that_was_never_pushed_does(own_clicks, opened, monkeypatch):
    monkeypatch.setenv("ONLINE", "sqlite:///empty.db")
    run(own_clicks, "apply", "--auto-approve")
    client = opened(own_clicks, timeout_s=20.0)
    status, problems, _ = ready(client)
    assert status == 503
    assert problems == [
        f"view {name}@1, which model click@1 reads, was never pushed" for name in ("bond", "profile", "spend")
    ]


@pytest.mark.sample(1)
@pytest.mark.parametrize(("path", "body"), [("/v1/predict/click", PREDICT), ("/v1/features", FEATURES)])
def test_a_store_that_holds_no_push_is_503_and_not_that_nobody_is_there(path, body, own_clicks, opened, monkeypatch):
    monkeypatch.setenv("ONLINE", "sqlite:///empty.db")  # as a Redis without persistence is after a restart
    run(own_clicks, "apply", "--auto-approve")
    client = opened(own_clicks, timeout_s=20.0)
    answer = client.post(path, json=body)
    told = answer.json()
    assert (answer.status_code, told["code"], answer.headers["retry-after"]) == (503, "FC511", "1")
    assert told["detail"].endswith("it was never pushed, or the store was emptied")
    assert told["hint"].startswith("featurectl push ")
    assert told["hint"].endswith(" where it has no offline table yet")
    counted = 'featurectl_prediction_requests_total{model="click",result="store"} 1.0'
    assert (counted in client.get("/metrics").text) == (path != "/v1/features")
    run(own_clicks, "push")
    wait_until(lambda: client.post(path, json=body).status_code == 200)


@pytest.mark.long
def test_an_unloadable_challenger_keeps_no_server_from_being_ready(own_trial, opened):
    write_model(own_trial, canary=CANARY.replace("2s", "9h"))
    canary(own_trial, "start", f"trial@{NUMBER['better']}", "--percent", "5")
    broken = state_of(own_trial).model_version("trial", NUMBER["better"])
    path = own_trial / "off" / broken.artifact
    path.write_bytes(path.read_bytes() + b"x")
    status, problems, warnings = ready(opened(own_trial, allow_pickle=True, judge_s=3_600.0, timeout_s=20.0))
    assert (status, problems) == (200, [])
    assert f"model trial@{NUMBER['better']}: " in warnings[0]


def test_every_question_has_an_answer_while_models_are_loaded(clicks, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def wait(*given):
        begun.set()
        assert go_on.wait(60)
        return load_served(*given)

    monkeypatch.setattr("featurectl.serving.project.served_project.load_served", wait)
    app = open_app(ServeSettings(root=str(clicks), timeout_s=20.0), AT_ONCE)
    with TestClient(app, raise_server_exceptions=False) as client:
        assert begun.wait(60)
        assert client.get("/health").json()["status"] == "ok"
        waiting = client.get("/ready")
        assert (waiting.status_code, waiting.headers["retry-after"]) == (503, "1")
        assert waiting.json() == {
            "status": "not ready", "problems": ["models are being loaded"], "warnings": [], "serial": None,
        }  # fmt: skip
        for path, body in (("/v1/predict/click", PREDICT), ("/v1/features", FEATURES), ("/predict", {"user": 1})):
            refused = client.post(path, json=body)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["detail"] == "not ready yet: models are being loaded"
        for path in ("/fresh", "/v1/models", "/v1/views"):
            assert client.get(path).status_code == 503
        assert client.get("/metrics").status_code == 200
        go_on.set()
        wait_until(lambda: client.get("/ready").status_code == 200)
        assert client.post("/v1/predict/click", json=PREDICT).status_code == 200


@pytest.fixture
def store(tmp_path):
    server = Redis(tmp_path).start()
    yield server
    server.stop()


@pytest.mark.long
def test_the_port_is_open_before_the_store_is_there(own_clicks, store, monkeypatch):
    monkeypatch.setenv("ONLINE", store.url)
    run(own_clicks, "apply", "--auto-approve")
    run(own_clicks, "push")
    store.client().save()
    store.stop()
    options = ("--workers", "2", "--reload", "0.1", "--timeout", "4")
    with running(own_clicks, *options, until="/health") as server:
        refused = web.post(f"{server.url}/v1/predict/click", json=PREDICT, timeout=20)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        waiting = web.get(f"{server.url}/ready", timeout=20)
        assert (waiting.status_code, waiting.json()["serial"]) == (503, None)
        store.start()
        wait_until(lambda: web.get(f"{server.url}/ready", timeout=20).status_code == 200, START_LIMIT_S)
        wait_until(lambda: web.post(f"{server.url}/v1/predict/click", json=PREDICT, timeout=20).status_code == 200)
        assert server.stop() == 0


@pytest.mark.long
def test_a_push_as_of_later_than_the_servers_own_now_is_not_fresh(own_clicks, opened):
    (own_clicks / "views.yaml").write_text(FILES["views.yaml"].replace("models:\n", NEW_VIEW))
    run(own_clicks, "apply", "--auto-approve")
    run(own_clicks, "materialize", "fresh_one", "-q")
    client = opened(own_clicks, reload_s=0.05, timeout_s=20.0)
    assert client.get("/fresh").status_code == 200
    project = (own_clicks / "featurectl.yaml").read_text()
    (own_clicks / "featurectl.yaml").write_text(project.replace("2026-01-08T", "2026-01-10T"))
    run(own_clicks, "materialize", "fresh_one", "-q")
    wait_until(lambda: client.get("/fresh").status_code == 503, 20)
    (problem,) = client.get("/fresh").json()["problems"]
    assert problem.startswith("view fresh_one@1 was pushed as of 2026-01-10 00:00, 2 d after this server's now")
    assert problem.endswith("a server reads `now:` as it starts: start it again")
    assert ready(client) == (200, [], [problem])
    run(own_clicks, "materialize", "-q")
    wait_until(lambda: client.get("/ready").status_code == 503, 20)
    assert "view spend@1 was pushed as of 2026-01-10 00:00" in " ".join(ready(client)[1])
    assert problem in ready(client)[2]
    assert ready(opened(own_clicks)) == (200, [], [])
