"""Serving goes on while a change is under way: a name is served by its newest pushed version."""

from __future__ import annotations

import json

import pytest

import featurectl
from featurectl.cli.main import main
from tests.serving.clicks import FILES, request_rows, run
from tests.serving.trial import wait_until

SPEND = {"features": ["spend:count_7d"], "entities": {"user": [1, 2, 3]}}
WAITING = "spend@2 is applied but was never pushed; served: @1"


def change(root):
    """Apply another meaning of a view, which makes its next version."""
    text = FILES["views.yaml"].replace(
        "    source: orders\n    aggregates", "    source: orders\n    where: amount > 25\n    aggregates", 1
    )
    text = text.replace("derived: [{name: mean_7d,", "derived: [{name: twice, expr: count_7d * 2}, {name: mean_7d,", 1)
    (root / "views.yaml").write_text(text)
    run(root, "apply", "--auto-approve", "--allow-breaking", "spend")


def asked(client):
    answer = client.post("/v1/features", json=SPEND)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_view_is_served_by_its_pushed_version_until_the_next_one_is(own_clicks, opened):
    client = opened(own_clicks, reload_s=0.05, timeout_s=20.0)
    before = asked(client)
    assert before["view_versions"] == {"spend": 1}
    change(own_clicks)
    wait_until(lambda: client.get("/ready").json()["warnings"] == [WAITING])
    assert client.get("/ready").status_code == 200
    meanwhile = asked(client)
    assert (meanwhile["features"], meanwhile["view_versions"]) == (before["features"], {"spend": 1})
    refused = client.post("/v1/features", json={**SPEND, "features": ["spend:twice"]})
    assert (refused.status_code, refused.json()["hint"]) == (404, WAITING)
    scored = client.post("/v1/predict/click", json={"rows": request_rows(2)}).json()
    run(own_clicks, "materialize")
    wait_until(lambda: asked(client)["view_versions"] == {"spend": 2})
    assert asked(client)["features"] != before["features"]
    assert client.get("/ready").json()["warnings"] == []
    assert client.post("/v1/predict/click", json={"rows": request_rows(2)}).json()["rows"] == scored["rows"]


@pytest.mark.long
def test_ages_are_told_of_the_versions_that_names_and_models_read(own_clicks, opened):
    def ages():
        lines = client.get("/metrics").text.splitlines()
        told = (line.rpartition(" ") for line in lines if line.startswith("featurectl_view_age_seconds{version="))
        return {name.partition("{")[2].rstrip("}"): value != "NaN" for name, _, value in told if "spend" in name}

    client = opened(own_clicks, reload_s=0.05, timeout_s=20.0)
    first, second = 'version="1",view="spend"', 'version="2",view="spend"'
    change(own_clicks)
    run(own_clicks, "materialize")
    wait_until(lambda: ages() == {first: True, second: True})  # the model still reads the first
    run(own_clicks, "train", "click")
    assert main(["models", "promote", "click@2", "-C", str(own_clicks), "-q"]) == 0
    wait_until(lambda: ages() == {first: False, second: True})


def test_a_server_started_while_a_change_waits_serves_the_pushed_version(own_clicks, opened):
    change(own_clicks)
    assert asked(opened(own_clicks))["view_versions"] == {"spend": 1}


@pytest.mark.sample(1)
@pytest.mark.parametrize("kind", ["sync", "async", "project", "command"])
def test_every_reader_takes_the_newest_pushed_version_of_a_name(own_clicks, capsys, kind):
    change(own_clicks)
    found = [READERS[kind](own_clicks, capsys)]
    run(own_clicks, "materialize")
    found.append(READERS[kind](own_clicks, capsys))
    assert found == [{"count_7d", "mean_7d"}, {"count_7d", "mean_7d", "twice"}]


def read_client(root, _):
    with featurectl.open_client(root) as client:
        return told(client.get(["spend:*"], {"user": [1]}).values())


def read_async(root, _):
    import asyncio

    async def read():
        async with featurectl.open_async_client(root, budget_s=20.0) as client:
            return (await client.get(["spend:*"], {"user": [1]})).values()

    return told(asyncio.run(read()))


def read_project(root, _):
    import polars as pl

    return told(featurectl.open_project(root).get("spend", pl.DataFrame({"user": [1]})).columns)


def read_command(root, capsys):
    capsys.readouterr()
    assert main(["get", "spend", "user=1", "-C", str(root), "-q", "-o", "json"]) == 0
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["waiting"] == (WAITING if result["version"] == 1 else None)
    return told(result["features"])


def told(names):
    return {name for name in names if name in ("count_7d", "mean_7d", "twice")}


READERS = {"sync": read_client, "async": read_async, "project": read_project, "command": read_command}


def test_a_version_that_is_named_is_read_though_another_is_served(own_clicks, capsys):
    change(own_clicks)
    assert main(["get", "spend@2", "user=1", "-C", str(own_clicks), "-q"]) == 1
    assert "spend@2 has no offline table" in capsys.readouterr().err


@pytest.mark.long
def test_status_says_what_is_served_while_a_version_waits_for_its_push(own_clicks, capsys):
    change(own_clicks)
    assert main(["status", "-C", str(own_clicks), "-q"]) == 1
    assert "not materialized yet; served: @1" in capsys.readouterr().out
    run(own_clicks, "materialize", "--no-online")
    assert main(["status", "-C", str(own_clicks), "-q"]) == 1
    assert "not pushed to the online store yet; served: @1" in capsys.readouterr().out
