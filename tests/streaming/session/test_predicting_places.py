"""Where predictions go may be away for a while, and so may be what they read: none is lost."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from featurectl.core.errors import StoreError
from featurectl.predicting import places
from tests.servers.redis import redis_server
from tests.streaming.session.predicted import PredictedSwipes, give_up_after, of_rule, predicting, run_once
from tests.streaming.session.running import Running
from tests.streaming.session.swipes import LIMIT_S, wait_for
from tests.streaming.session.test_processes import said, started

PREDICTS = "events are predicted by"
TABLE = of_rule("by_amount").replace("{topic: scores}", "{path: tables/scores}")


def in_table(swipes: PredictedSwipes) -> pl.DataFrame:
    place = swipes.root / "tables" / "scores"
    return pl.read_delta(str(place)) if (place / "_delta_log").is_dir() else pl.DataFrame({"offset": []})


def counted(swipes: PredictedSwipes) -> int:
    """How many events of a card without a history are in its list."""
    return int(str((swipes.values("new") or {}).get("amount_count_1h", 0)))


@pytest.mark.long
def test_a_table_has_each_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places, "_EVERY_S", 0.1)
    swipes = PredictedSwipes(root=tmp_path, objects=TABLE)
    with predicting(swipes):
        for count in (300, 1, 50):
            swipes.send(count, amount=50.0)
            wait_for(lambda: in_table(swipes).height == swipes.sent)
    swipes.send(2, amount=13.0)
    run_once(swipes)
    rows = in_table(swipes)
    assert sorted(rows["offset"]) == [*range(353)]
    assert Counter(rows["score"].round(3)) == {0.5: 351, None: 2}
    assert swipes.logged() == 353


@pytest.mark.long
def test_a_table_that_can_not_be_written_waits_and_another_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = Running()
    give_up_after(monkeypatch, 1.0, lambda: found.has_said("events are predicted by fraud@1"))
    monkeypatch.setattr(places, "_EVERY_S", 0.1)
    swipes = PredictedSwipes(root=tmp_path, objects=TABLE)
    (tmp_path / "tables").write_text("in the way")
    swipes.send(3, amount=50.0)
    with pytest.raises(StoreError, match="table tables/scores can't be written"):
        run_once(swipes, found)
    with predicting(swipes) as found:
        wait_for(lambda: "can't be written" in str([of.predictions for of in found.reports]))
        swipes.apply(TABLE.replace("{path: tables/scores}", "{topic: scores}"))
        wait_for(lambda: swipes.predicted() == 3)
    assert swipes.logged() == 3


@pytest.mark.long
def test_killed_workers_lose_nothing_of_a_table(tmp_path: Path):
    swipes = PredictedSwipes(root=tmp_path, objects=TABLE)
    for number in range(3):
        swipes.send(20, amount=50.0, card="new")
        with started(swipes, "--allow-pickle", "--workers", "2") as process:
            wait_for(lambda: counted(swipes) >= 20 * (number + 1))  # noqa: B023
            if number == 2:
                wait_for(lambda: in_table(swipes)["offset"].n_unique() == 60)
                wait_for(lambda: PREDICTS in said(swipes))  # not what the killed run has left alone does it
                process.send_signal(signal.SIGTERM)
                assert process.wait(LIMIT_S) == 0, said(swipes)
    assert {*in_table(swipes)["offset"]} == {*range(60)}
    assert in_table(swipes)["prediction_id"].n_unique() == 60
    assert swipes.logged() == 60


@pytest.mark.long
def test_predictions_wait_for_their_broker_and_sigterm_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with redis_server() as server:
        monkeypatch.setenv("BROKER", server.url)
        objects = of_rule("by_amount").replace("scores}", 'scores, url: "${BROKER}"}')
        swipes = PredictedSwipes(root=tmp_path, objects=objects)
        with started(swipes, "--allow-pickle") as process:
            swipes.send(5, amount=50.0, card="new")
            wait_for(lambda: swipes.predicted(url=server.url) == 5)
            server.kill()
            swipes.send(5, amount=50.0, card="new")
            wait_for(lambda: counted(swipes) >= 10)
            process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0, said(swipes)
        assert swipes.logged() <= 5  # what it was told of before the broker was killed
        server.start()
        with started(swipes, "--allow-pickle", "--once") as process:
            assert process.wait(LIMIT_S) == 0, said(swipes)
        assert Counter(of["offset"] for of in swipes.predictions(url=server.url))[9] >= 1
    assert swipes.logged() == 10


@pytest.mark.long
def test_predictions_go_on_after_an_online_store_that_was_silent(tmp_path: Path):
    with redis_server() as server:
        swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_amount"), online=f"{server.url}?socket_timeout=0.5")
        with predicting(swipes) as found:
            swipes.send(5, amount=50.0)
            wait_for(lambda: swipes.predicted() == 5)
            with server.paused():
                swipes.send(5, amount=50.0)
                wait_for(lambda: bool(found.reports[0].problem))
            wait_for(lambda: swipes.predicted() == 10)
    assert ({of["score"] for of in swipes.predictions()}, swipes.logged()) == ({0.5}, 10)


@pytest.mark.long
def test_predictions_go_on_while_lists_are_made_anew_and_a_topic_too(tmp_path: Path):
    swipes = PredictedSwipes(root=tmp_path, objects=of_rule("by_count"))
    with predicting(swipes):
        swipes.send(40)
        wait_for(lambda: swipes.predicted() == 40)
        for number in range(1, 4):
            swipes.send(20)
            swipes.run("stream", "rebuild", "spend", "-q")
            wait_for(lambda: swipes.predicted() == 40 + 20 * number)  # noqa: B023
    assert swipes.logged() == 100
    before = {of["prediction_id"] for of in swipes.predictions()}
    for name in ("streams.db", "streams.db-wal", "streams.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    swipes.send(7, card="c2")
    swipes.run("stream", "reset", "swipes", "-q")
    run_once(swipes)
    after = {of["prediction_id"] for of in swipes.predictions()}
    assert (len(after), after & before) == (7, set())
    assert swipes.logged() == 107
