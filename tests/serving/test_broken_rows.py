"""A row of the online store that is broken, as everybody sees it who reads it: an error that says whose it is."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from contextlib import closing

import msgpack
import pytest

from featurectl.api.clients import open_async_client, open_client
from featurectl.cli.main import main
from featurectl.online.corrupt_rows import BrokenRowError
from tests.serving.trial import wait_until


def spoil(root):
    """Give every user of a repository of clicks the same broken profile."""
    with closing(sqlite3.connect(root / "on.db")) as store, store:
        ((view,),) = store.execute("select id from views where view = 'profile'").fetchall()
        ((row,),) = store.execute("select row from rows where view = ? limit 1", (view,)).fetchall()
        count = row[24] & 15
        wrong = row[:24] + msgpack.packb([7] * count)
        store.execute("update rows set row = ? where view = ?", (wrong, view))


def test_clients_servers_and_commands_tell_of_a_broken_row(own_clicks, opened, capsys):
    spoil(own_clicks)
    told = "profile@1 user=3: tier is an integer, not string"
    with open_client(own_clicks) as client, pytest.raises(BrokenRowError, match=told):
        client.get(["profile:tier"], {"user": [3]})

    async def asked():
        async with open_async_client(own_clicks, budget_s=20) as client:
            await client.get(["profile:tier"], {"user": [3]})

    with pytest.raises(BrokenRowError, match=told):
        asyncio.run(asked())
    capsys.readouterr()
    assert main(["get", "profile", "user=3", "-C", str(own_clicks)]) == 69
    assert f"error[FC610]: the online store holds a broken row: {told}" in capsys.readouterr().err
    assert main(["verify", "--store", "profile", "-C", str(own_clicks), "-q", "-o", "json"]) == 1
    features = json.loads(capsys.readouterr().out)["result"]["views"][0]["features"]
    assert {tuple(feature["causes"]) for feature in features} == {("corrupted value",)}
    client = opened(own_clicks, timeout_s=20.0)
    for path, body in (
        ("/v1/features", {"features": ["profile:tier"], "entities": {"user": [3]}}),
        ("/v1/predict/click", {"rows": [{"user": 3, "merchant": "m1", "hour": 1, "price": 1.0}]}),
    ):
        answer = client.post(path, json=body)
        assert (answer.status_code, answer.json()["code"], told in answer.json()["detail"]) == (500, "FC610", True)
        assert "retry-after" not in answer.headers
    assert "featurectl_online_store_errors_total 2.0" in client.get("/metrics").text
    good = {"features": ["spend:count_7d"], "entities": {"user": [3]}}
    assert client.post("/v1/features", json=good).status_code == 200


def test_a_broken_record_of_a_push_is_told_and_a_full_push_writes_it_again(own_clicks, opened, capsys):
    told = "the online store holds a broken record of the last push of profile@1"
    client = opened(own_clicks, timeout_s=20.0)
    with closing(sqlite3.connect(own_clicks / "on.db")) as store, store:
        store.execute("update views set push_record = ? where view = 'profile'", (b"\xff" * 40,))
    until_s = time.monotonic() + 120
    while client.get("/ready").status_code == 200 and time.monotonic() < until_s:  # it is known for a second
        time.sleep(0.1)
    for path in ("/ready", "/fresh"):
        answer = client.get(path)
        assert answer.status_code == 503
        assert told in answer.text
    capsys.readouterr()
    assert main(["push", "profile", "-C", str(own_clicks)]) == 69
    assert told in capsys.readouterr().err
    good = {"features": ["spend:count_7d"], "entities": {"user": [3]}}
    assert client.post("/v1/features", json=good).status_code == 200
    assert main(["push", "--full", "profile", "-C", str(own_clicks)]) == 0
    assert main(["push", "profile", "-C", str(own_clicks)]) == 0
    wait_until(lambda: client.get("/ready").status_code == 200)


def test_a_server_that_starts_over_a_broken_record_serves_the_other_views(own_clicks, opened, capfd):
    with closing(sqlite3.connect(own_clicks / "on.db")) as store, store:
        store.execute("update views set push_record = ? where view = 'profile'", (b"\xff" * 40,))
    client = opened(own_clicks, timeout_s=20.0, reload_s=0.05)
    good = {"features": ["spend:count_7d"], "entities": {"user": [3]}}
    assert client.post("/v1/features", json=good).status_code == 200
    bad = client.post("/v1/features", json={"features": ["profile:tier"], "entities": {"user": [3]}})
    assert (bad.status_code, bad.json()["code"]) == (500, "FC610")
    assert [view["view"] for view in client.get("/v1/views").json()["views"]] == ["bond", "profile", "spend"]
    (problem,) = client.get("/ready").json()["problems"]
    assert problem.startswith("the online store holds a broken record of the last push of profile@1: featurectl push")
    assert main(["push", "--full", "profile", "-C", str(own_clicks)]) == 0
    wait_until(lambda: client.get("/ready").status_code == 200)
    read = client.post("/v1/features", json={"features": ["profile:tier"], "entities": {"user": [3]}})
    assert read.status_code == 200
    told = capfd.readouterr().err
    assert (told.count("push_record_broken"), told.count("push_record_mended")) == (1, 1)
