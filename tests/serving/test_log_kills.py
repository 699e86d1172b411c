"""A server that is killed while it logs leaves whole files: later servers and readers go on beside what is left."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.operations.prediction_log.log_files import LogFile, PredictionLogFiles, read_batches, read_schema
from tests.serving.clicks import request_rows, run
from tests.serving.load import Load
from tests.serving.process import running
from tests.serving.trial import wait_until

PREDICT = {"rows": request_rows(40, seed=4)}
OPTIONS = ("--env", "logged", "--judge", "0.01", "--timeout", "20", "--store-timeout", "20")  # a file every 10 ms


def files_of(root: Path) -> list[LogFile]:
    return PredictionLogFiles(str(root / "off" / "clicks" / "predictions" / "logged" / "click")).files()


def rows_of(root: Path) -> int:
    """The rows of the log, all of them read."""
    files = files_of(root)
    rows = pl.concat(read_batches(files, read_schema(files[0]), lambda rows: rows.select("request", "score")))
    assert rows["score"].null_count() == 0
    assert rows.group_by("request").len()["len"].unique().to_list() == [40]  # no request is there in part
    return rows.height


def kill_at_random(root: Path, count: int, seed: int) -> None:
    chance, before = random.Random(seed), 0
    run(root, "push", "--env", "logged")
    for _ in range(count):
        with running(root, *OPTIONS) as server, Load(f"{server.url}/v1/predict/click", PREDICT, threads=2) as load:
            known = len(files_of(root))
            load.wait_for(200, 5)
            wait_until(lambda known=known: len(files_of(root)) > known)  # type: ignore[misc]
            threading.Event().wait(chance.random() * 0.3)
            server.process.kill()
            server.process.wait()
        rows = rows_of(root)
        assert rows > before
        before = rows
    assert main(["verify", "click", "-C", str(root), "--env", "logged", "-q"]) in (0, 1)
    assert main(["monitor", "drift", "click", "-C", str(root), "--env", "logged", "-q"]) in (0, 1)


@pytest.mark.long
def test_a_server_that_is_killed_while_it_logs_leaves_whole_files(own_clicks):
    kill_at_random(own_clicks, count=2, seed=3)


@pytest.mark.stress
def test_servers_that_are_killed_again_and_again_leave_whole_files(own_clicks):
    kill_at_random(own_clicks, count=40, seed=4)
