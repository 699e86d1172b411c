"""Predictions of erased keys that a restored log has again: drift and canaries do not count them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from featurectl.models.profile.numbers import NumberCounts
from featurectl.models.profile.profile import SCORE
from featurectl.monitor.canary.lifecycle import open_log
from featurectl.monitor.drift.logged_window import read_window
from featurectl.monitor.drift.reference import load_reference
from featurectl.operations.erased_rows import erased_predictions
from featurectl.operations.prediction_log.log_files import read_rows
from featurectl.workspace.open import open_workspace
from tests.model_shop import Shop, objects, open_shop
from tests.monitor.canary.test_verdict import RUN

AT = datetime(2026, 1, 10, 10, tzinfo=UTC)
LOG = "off/shop/predictions/dev"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        opened.run("train", "m")
        opened.run("erase", "key", "k=k1")
        text = (tmp_path / "featurectl.yaml").read_text()
        logged = text.replace("online: ", "prediction_log: {sample: 1.0}, online: ", 1)
        (tmp_path / "featurectl.yaml").write_text(logged)
        yield opened


def write(shop: Shop, name: str, keys: list[str], key: str = "k") -> None:
    """Write a file of the log, a request a key."""
    rows = [
        {
            key: value, "time": AT, "logged_at": AT, "score": 0.5, "error": None, "server": name, "request": place,
            "entity": place, "canary": 1, "role": "champion", "latency_ms": 1.0, "fault": False, "age_us": 1,
            "feature.q": place, "feature.half": 1.0, "feature.c": "a", "known_at": None, "prediction_id": None,
        }
        for place, value in enumerate(keys)
    ]  # fmt: skip
    types = {"error": pl.String(), "known_at": pl.Datetime("us", "UTC"), "prediction_id": pl.String()}
    path = shop.root / LOG / "m/v1" / f"{AT:%Y-%m-%d}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema_overrides=types).write_parquet(path)


def of_drift(shop: Shop) -> int:
    version, location = shop.version()
    with open_workspace(shop.root, None, None, "unread") as workspace:
        window = (AT - timedelta(hours=1), AT + timedelta(hours=1))
        found = read_window(workspace, version, load_reference(version, location), window)
    [score] = [column.values for column in found.columns if column.name == SCORE]
    assert isinstance(score, NumberCounts)
    return score.known


def of_a_canary(shop: Shop) -> int:
    run = replace(RUN, model="m", environment="dev", started_at=AT - timedelta(hours=1))
    with open_workspace(shop.root, None, None, "unread") as workspace:
        return open_log(workspace, run).figures().champion.requests


@pytest.mark.long
@pytest.mark.parametrize("counted", [of_drift, of_a_canary])
def test_predictions_that_a_restored_log_has_again_do_not_count(shop: Shop, counted: Callable[[Shop], int]):
    write(shop, "100000-a.parquet", ["k1", "k2", "k1", "k3"])
    write(shop, "110000-a.parquet", ["k2"])
    assert counted(shop) == 5  # the log says that it is clean
    (shop.root / LOG / "erased.json").unlink()
    assert counted(shop) == 3
    write(shop, "120000-a.parquet", ["k2", "k1"], "other")  # without the key
    assert counted(shop) == 5


@pytest.mark.long
def test_a_file_that_is_cleaned_while_it_is_read_is_read_anew(shop, monkeypatch):
    write(shop, "a.parquet", ["k1", "k2"])
    (shop.root / LOG / "erased.json").unlink()
    reads = []

    def cleaned_before(*args: object) -> pl.DataFrame:
        if not reads:
            write(shop, "a.parquet", ["k2"])
        reads.append(args)
        return read_rows(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(erased_predictions, "read_rows", cleaned_before)
    assert of_drift(shop) == 1
    assert len(reads) == 2
