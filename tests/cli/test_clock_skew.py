"""Clocks that differ: of who pushes, of the online store, of the registry, and of who reads."""

from __future__ import annotations

import json
import re
import threading
import uuid
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import redis
from starlette.testclient import TestClient

from featurectl.api.clients import open_client
from featurectl.cli.main import main
from featurectl.core.errors import DataError
from featurectl.monitor.alerts.watch import Watch
from featurectl.monitor.health import look
from featurectl.online.redis import store as redis_store
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from featurectl.workspace.open import open_workspace
from tests.clocks import READERS, set_clock

PROJECT = """project: {project}
environments:
  dev: {{registry: "{registry}", offline: off, online: "{online}"}}
  still: {{registry: "sqlite:///still.db", offline: still, online: "sqlite:///still-on.db", now: 2031-01-01T00:00:00Z}}
"""
OBJECTS = """entities: [{name: customer, keys: {customer: string}}]
sources:
  - {name: orders, path: orders.csv, event_time: at, timezone: UTC,
     columns: {customer: string, at: timestamp, n: int64}}
feature_views:
  - {name: latest, entity: customer, source: orders, features: [n]}
  - {name: spend, entity: customer, source: orders, aggregates: [{op: count, windows: [30d]}]}
"""
FAR = "2031-01-01T00:00:00Z"
ORDER = "a,{at:%Y-%m-%dT%H:%M:%SZ},7\n"


def write(root, online, registry="sqlite:///r.db"):
    named = f"p{uuid.uuid4().hex[:12]}"
    (root / "featurectl.yaml").write_text(PROJECT.format(project=named, registry=registry, online=online))
    (root / "views.yaml").write_text(OBJECTS)
    (root / "orders.csv").write_text("customer,at,n\n" + ORDER.format(at=datetime.now(UTC) - timedelta(days=1)))
    return named


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, redis_url):
    """Run a command in an applied and materialized repository; gives its exit code and what it wrote."""
    write(tmp_path, redis_url)
    monkeypatch.setattr(redis_store, "FEW_KEYS", 1 << 40)  # however many other tests have left on the server
    monkeypatch.chdir(tmp_path)

    def command(*words):
        code = main(list(words))
        told = capsys.readouterr()
        return code, told.out, told.err

    assert command("apply", "--auto-approve", "-q")[0] == command("materialize", "-q")[0] == 0
    return command


def served(run, view="spend", customer="a"):
    """Return a value that is served at the moment."""
    code, out, err = run("get", view, f"customer={customer}", "-o", "json")
    assert code == 0, err
    (feature,) = json.loads(out)["result"]["features"].values()
    return feature["value"], feature["status"]


def project_of():
    return Path("featurectl.yaml").read_text().split()[1]


def states(run):
    code, out, _ = run("status", "-o", "json")
    return code, {row["name"]: (row["state"], row["error"] or row["note"]) for row in json.loads(out)["result"]["rows"]}


@pytest.mark.parametrize("command", ["push", "materialize"])
def test_an_instant_that_the_stores_clock_has_not_reached_is_refused(run, command):
    code, _, err = run(command, "--as-of", FAR)
    assert code == 64
    assert f"error[FC526]: --as-of {FAR} is " in err
    assert "after the clock of the " in err
    assert "--allow-future" in err
    assert served(run) == (1, "PRESENT")


@pytest.mark.long
def test_what_would_be_done_in_the_future_may_be_asked(run):
    assert run("push", "--dry-run", "--as-of", FAR)[0] == run("materialize", "--dry-run", "--as-of", FAR)[0] == 0
    assert run("get", "spend", "customer=a", "--as-of", FAR)[0] == 0


@pytest.mark.parametrize("command", ["push", "materialize"])
def test_a_machine_whose_clock_is_ahead_is_told_which_one_is(run, monkeypatch, command):
    with monkeypatch.context() as patch:
        set_clock(patch, timedelta(minutes=5))
        code, _, err = run(command)
    assert code == 1
    assert "error[FC526]: the clock of this machine (" in err
    assert ") is 5 min ahead of that of the online store redis://" in err or "is 4 min ahead" in err
    assert served(run) == (1, "PRESENT")


@pytest.mark.usefixtures("tmp_path")
def test_a_machine_that_is_a_little_ahead_takes_the_stores_time(run, monkeypatch):
    with monkeypatch.context() as patch:
        set_clock(patch, timedelta(seconds=40))
        assert run("push")[0] == run("materialize")[0] == 0
    assert served(run) == (1, "PRESENT")


@pytest.mark.long
def test_of_two_clocks_that_are_behind_the_earlier_one_counts_once(tmp_path, monkeypatch, redis_url, postgres_url):
    write(tmp_path, redis_url, postgres_url)
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    begun = datetime.now(UTC)
    with monkeypatch.context() as patch:
        set_clock(patch, timedelta(seconds=50))
        assert main(["materialize", "-q"]) == 0
    with open_workspace(tmp_path, None, None) as workspace:
        (view, *_) = look(workspace, workspace.state(), entities=False)
    assert begun - timedelta(seconds=10) < view.computed_at < datetime.now(UTC)


def test_a_machine_whose_clock_is_behind_is_told_and_what_it_leaves_too(run, monkeypatch):
    assert run("push")[0] == 0
    with monkeypatch.context() as patch:
        set_clock(patch, timedelta(hours=-2))
        code, out, err = run("push", "spend")
    assert code == 0
    assert "warning: the clock of this machine (" in err
    assert ") is 2 h behind that of the online store redis://" in err or "1 h 59 min behind" in err
    assert "spend@1: pushed as of " in out
    assert "already, later than this now: nothing was sent" in out


@pytest.mark.long
def test_what_is_of_the_future_is_told_everywhere_and_one_command_mends_it(run):
    for hours in (0.1, 24 * 365 * 3):
        at = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert run("push", "--as-of", at, "--allow-future")[0] == 0
        assert served(run) == (None, "NOT_FOUND")
        code, rows = states(run)
        assert code == 1
        assert [state for state, _ in rows.values()] == ["ERROR", "ERROR"]
        assert "after the online store's clock: featurectl push --full spend" in rows["spend"][1]
        assert "featurectl push --full spend" in run("why", "spend")[1]
        code, out, _ = run("verify", "--store")
        assert (code, "spend@1: pushed as of " in out) == (1, True)
        code, _, err = run("push")
        assert (code, "error[FC527]: spend@1 was pushed as of " in err) == (1, True)
        code, _, err = run("materialize")
        assert (code, "error[FC527]: spend@1 was pushed as of " in err) == (1, True)
        assert run("push", "--full")[0] == 0
        assert served(run) == (1, "PRESENT")
        assert states(run)[0] == run("verify", "--store")[0] == run("push")[0] == 0


@pytest.mark.long
def test_a_table_of_the_future_is_told_and_made_anew(run, tmp_path):
    (tmp_path / "orders.csv").write_text((tmp_path / "orders.csv").read_text() + "b,2026-01-01T00:00:00Z,1\n")
    assert run("materialize", "--as-of", FAR, "--allow-future")[0] == 0
    with (tmp_path / "orders.csv").open("a") as file:
        file.write(ORDER.format(at=datetime.now(UTC) - timedelta(hours=1)))
    code, _, err = run("materialize")
    assert code == 1
    assert "error[FC528]: the table of spend@1 was computed as of 2031-01-01 00:00, " in err
    assert "featurectl materialize --full spend" in err
    assert states(run)[0] == 1
    assert run("materialize", "--full")[0] == 0
    assert served(run) == (2, "PRESENT")
    assert states(run)[0] == run("materialize")[0] == 0


@pytest.mark.long
def test_a_table_of_the_future_that_is_offline_only_is_told(run, tmp_path):
    (tmp_path / "views.yaml").write_text(OBJECTS.replace("source: orders, f", "source: orders, online: false, f"))
    assert run("apply", "--auto-approve", "-q")[0] == 0
    assert run("materialize", "--full", "--no-online", "--as-of", FAR, "--allow-future")[0] == 0
    _, rows = states(run)
    assert rows["latest"][1].endswith("after the registry's clock: featurectl materialize --full latest")
    assert run("materialize", "--full", "--no-online")[0] == 0
    assert states(run)[1]["latest"][0] == "OK"


@pytest.mark.long
def test_rows_that_are_gone_are_counted_and_come_back(run, redis_url):
    with redis.Redis.from_url(redis_url) as client:
        client.hdel(f"{project_of()}/dev:{{s1:a}}", "spend@1")
    code, rows = states(run)
    assert (code, rows["latest"][0]) == (1, "OK")
    assert rows["spend"] == ("ERROR", "1 of 1 row is gone: featurectl push spend")
    assert "has lost rows of spend@1" in run("why", "spend")[1]
    assert run("verify", "--store")[0] == 1
    code, out, _ = run("materialize")
    assert (code, "spend@1: 1 row was gone from the online store: all were sent" in out) == (0, True)
    assert states(run)[0] == run("verify", "--store")[0] == 0


@pytest.mark.long
def test_a_fixed_now_is_held_against_no_clock(run):
    for words in (("apply", "--auto-approve", "-q"), ("materialize",), ("push",), ("status",)):
        code, out, err = run(*words, "--env", "still")
        assert code == 0, out + err


@pytest.mark.long
def test_the_clock_of_the_registry_counts_for_tables(tmp_path, monkeypatch, capsys, postgres_url):
    write(tmp_path, "sqlite:///on.db", postgres_url)
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "--auto-approve", "-q"]) == main(["materialize", "-q"]) == 0
    set_clock(monkeypatch, timedelta(minutes=-5, seconds=-30))
    capsys.readouterr()
    assert main(["materialize", "--no-online"]) == 0
    assert ") is 5 min behind that of the registry postgresql" in capsys.readouterr().err
    set_clock(monkeypatch, timedelta(minutes=5, seconds=30))
    assert main(["materialize", "--no-online"]) == 1
    assert ") is 5 min ahead of that of the registry postgresql" in capsys.readouterr().err
    assert main(["materialize", "--no-online", "--allow-future", "-q"]) == 0


@pytest.mark.long
@pytest.mark.parametrize(("behind_s", "found"), [(0, [1]), (50, [1]), (300, [None])])
@pytest.mark.sample(1)
def test_a_reader_whose_clock_is_a_little_behind_finds_what_was_pushed(run, monkeypatch, behind_s, found):
    assert run("push")[0] == 0
    set_clock(monkeypatch, timedelta(seconds=-behind_s), READERS)
    with open_client(".") as client:
        values = client.get(["spend:*", "latest:*"], {"customer": ["a"]}).values()
    assert values == {"count_30d": found, "n": [7]}


@pytest.mark.long
def test_a_server_with_a_clock_behind_refuses_what_it_would_call_not_found(run, monkeypatch, capsys):
    assert run("push")[0] == 0
    asked = {"features": ["spend:count_30d"], "entities": {"customer": ["a"]}}
    with monkeypatch.context() as patch:
        set_clock(patch, timedelta(minutes=-10), READERS)
        with TestClient(open_app(ServeSettings(root=str(Path.cwd())))) as client:
            answer = client.post("/v1/features", json=asked)
            assert (answer.status_code, answer.json()["code"]) == (503, "FC527")
            assert "set that clock right" in answer.json()["hint"]
    err = capsys.readouterr().err
    assert (err.count(" pushed_ahead "), err.count(" error pushed_ahead ")) == (2, 1)  # once of each view
    assert re.search(r" warning pushed_ahead \[\d+\]: latest@1 was pushed as of ", err)


@pytest.mark.long
def test_who_asks_as_of_an_instant_finds_nothing_later(run):
    assert run("push")[0] == 0
    with open_client(".") as client:
        values = client.get(["spend:*"], {"customer": ["a"]}, datetime.now(UTC) - timedelta(seconds=30)).values()
    assert values == {"count_30d": [None]}


@pytest.mark.long
def test_a_server_tells_of_what_was_pushed_as_of_the_future(run):
    assert run("push")[0] == 0
    at = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    asked = {"features": ["spend:count_30d"], "entities": {"customer": ["a"]}}
    with TestClient(open_app(ServeSettings(root=str(Path.cwd())))) as client:
        assert (client.get("/ready").json()["warnings"], client.get("/fresh").status_code) == ([], 200)
        assert run("push", "--as-of", at, "--allow-future", "spend")[0] == 0
        answer, fresh = client.get("/ready"), client.get("/fresh")
        (warning,) = answer.json()["warnings"]
        assert warning.startswith("view spend@1 was pushed as of ")
        mending = "set that clock right, or where it is right: featurectl push --full spend"
        assert warning.endswith(f" min after this server's clock: {mending}")
        refused = client.post("/v1/features", json=asked)
        assert (refused.status_code, refused.json()["code"]) == (503, "FC527")
        assert client.post("/v1/features", json=asked | {"features": ["latest:n"]}).status_code == 200
        assert client.post("/v1/features", json=asked | {"time": FAR}).status_code == 200
        assert (fresh.status_code, fresh.json()["problems"]) == (503, [warning])
        assert run("push", "--full", "spend")[0] == 0
        assert (client.get("/ready").json()["warnings"], client.get("/fresh").status_code) == ([], 200)
        assert client.post("/v1/features", json=asked).json()["features"]["count_30d"]["values"] == [1]


def test_alerts_are_not_looked_at_as_of_the_future(run):
    for words in (("check",), ("run",), ("silence", "stale", "--for", "1h")):
        code, _, err = run("monitor", *words, "--as-of", FAR)
        assert (code, f"error[FC526]: --as-of {FAR} is " in err) == (64, True)
    assert run("monitor", "check", "--dry-run", "--as-of", FAR)[0] == 0


@pytest.mark.sample(1)
@pytest.mark.parametrize(("minutes", "code"), [(5, 1), (-5, 0)])
def test_alerts_are_not_looked_at_by_a_clock_that_is_ahead(run, monkeypatch, minutes, code):
    with monkeypatch.context() as patch:
        set_clock(patch, timedelta(minutes=minutes))
        found, _, err = run("monitor", "check")
        dry = run("monitor", "check", "--dry-run")[0]
    assert (found, dry) == (code, 0)
    assert ("error[FC526]: the clock of this machine (" if code else "warning: the clock of this machine (") in err


@pytest.mark.sample(1)
@pytest.mark.parametrize("words", [("status",), ("why", "spend")])
def test_who_looks_is_told_that_the_clock_is_not_that_of_the_store(run, monkeypatch, words):
    assert "the clock of this machine" not in run(*words)[2]
    with monkeypatch.context() as patch:
        set_clock(patch, timedelta(minutes=-5))
        assert "warning: the clock of this machine (" in run(*words)[2]


@pytest.mark.usefixtures("run", "monkeypatch")
def test_what_waits_is_sent_though_no_look_is_taken_by_a_wrong_clock():
    sent, failed, stop = [], [], threading.Event()

    def refuse(_):
        raise DataError("the clock of this machine is ahead", code="FC526")

    def tell(found):
        sent.append(found)
        stop.set()

    again = partial(open_workspace, Path.cwd(), None, None, "unread")
    Watch(
        open_workspace=again, check_clock=refuse, every_s=60, report=tell, report_error=failed.append, stop=stop
    ).run()
    assert ([error.code for error in failed], [found.evaluations for found in sent]) == (["FC526"], [()])
