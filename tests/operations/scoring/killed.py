"""Runs `featurectl score` in a process of its own that dies at a point that is named."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from featurectl.cli.main import main
from featurectl.operations.outputs import parquet
from featurectl.operations.scoring import checkpoint, destination, run, score_part, scorer, shared_run
from featurectl.sources.sql import snowflake_session
from featurectl.streaming import event_encoder, scores_topic
from tests.operations.scoring.shop import make_shop, write_spine
from tests.servers.bigquery import add_client
from tests.warm import WarmProcess

RANGE = 1_000  # rows; a whole run has them all in one
RANGES = 3
ROWS = 2_500
CHUNK = 100  # rows that a model is given at once, in parts
PART_RANGE = 300


def scored_shop(root: Path, *objects: str) -> Path:
    """Make a repository with a spine of three ranges, and the file of a run that nobody killed; return its folder."""
    make_shop(root, *objects)
    write_spine(root / "spine.parquet", ROWS)
    assert main(score_words(root, f"{root}/expected.parquet")) == 0
    return root


def score_words(root: Path, out: str) -> list[str]:
    """Return the command that scores the spine of such a repository."""
    return ["score", "m", "-C", str(root), "--spine", str(root / "spine.parquet"), "--out", out, "-q"]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(number: int, owner: Any, name: str, *, after: bool) -> None:
    """Die when a function is called for the `number`th time: before it does its work, or after."""
    whole, left = getattr(owner, name), [number]

    def instead(*args: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and not after:
            _die()
        result = whole(*args, **more)
        if left[0] == 0:
            _die()
        return result

    setattr(owner, name, instead)


def killed(point: str, number: int, words: Sequence[str]) -> int:
    """Return the exit code of a run that is to die at a point when it comes there for the `number`th time."""
    with WarmProcess(_run, point, number, words) as process:
        return process.end()[0]


def _run(point: str, number: int, words: Sequence[str]) -> int:
    _arrange(point, number)
    return main(words)


def killed_part(point: str, number: int, words: Sequence[str]) -> WarmProcess:
    """Return a process of `score --part` that is to die at a point; "" is none. A chunk has CHUNK rows."""
    return WarmProcess(_run_part, point, number, words)


def _run_part(point: str, number: int, words: Sequence[str]) -> int:
    scorer.CHUNK_ROWS = CHUNK  # type: ignore[misc]  # small ones, so that there are some
    setattr(score_part, "range_rows", lambda *_: PART_RANGE)  # noqa: B010  # it has it from `run`
    if point:
        owner, _, rest = point.partition(".")
        name, _, when = rest.partition(" ")
        _at(number, {"run": shared_run.SharedRun, "output": destination}[owner], name, after=when == "after")
    return main(words)


def _arrange(point: str, number: int) -> None:
    run.range_rows = lambda *_: RANGE
    parquet._ROW_GROUP = RANGE  # type: ignore[misc]  # noqa: SLF001  # small groups of rows
    match point:
        case "range joined":
            _at(number, checkpoint.ScoreCheckpoint, "add", after=False)
        case "file half written":
            _at(number, np, "save", after=True)
        case "file written":
            _at(number, checkpoint.ScoreCheckpoint, "add", after=True)
        case "output half written":
            _at(RANGES + number, np, "load", after=True)  # each is read once for its ends before
        case "statement run":
            _at(number, snowflake_session.SnowflakeSession, "run", after=True)
        case "messages sent":
            scores_topic._AT_ONCE = 300  # type: ignore[misc]  # noqa: SLF001  # so that there are some
            _at(number, event_encoder.EventEncoder, "encode", after=True)
        case "request sent":
            add_client()  # of BigQuery
            _at(number, importlib.import_module("google.cloud.bigquery").Client, "_call_api", after=True)
        case "output written":
            _at(1, destination, "write_with_manifest", after=True)
