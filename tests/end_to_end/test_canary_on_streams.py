"""A canary and a shadow of a model on a stream's views: both versions read what workers keep, and are replayed."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from featurectl.serving.process.start import open_app
from featurectl.serving.scoring.shadow import ShadowScorer
from featurectl.serving.settings import ServeSettings
from featurectl.serving.shadow_queue import ShadowRequest
from tests.end_to_end.test_served_streams import live, run, write_shop
from tests.streaming.session.swipes import LIMIT_S, wait_for

pytestmark = pytest.mark.long  # a whole life of a repository
CARDS = range(80, 120)  # most have swiped of late
LATE_S = 3.0  # longer than lists know what was


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The template's repository with two versions of its model, the first of which is the champion."""
    root = tmp_path / "shop"
    write_shop(root)
    [model] = [path for path in root.rglob("*.yaml") if "\nmodels:" in f"\n{path.read_text()}"]
    canary = "    canary: {percent: 50, for: 9h, success: {}}\n    trainer:"
    model.write_text(model.read_text().replace("    trainer:", canary, 1))
    run(root, "apply", "--auto-approve")
    run(root, "materialize")
    run(root, "train", "fraud")
    model.write_text(model.read_text().replace("n_estimators: ", "n_estimators: 1"))
    run(root, "apply", "--auto-approve")
    run(root, "train", "fraud")
    live(root)
    return root


def serving(root: Path) -> TestClient:
    settings = ServeSettings(root=str(root), timeout_s=20, store_timeout_s=10, judge_s=3_600.0, reload_s=0.1)
    return TestClient(open_app(settings))


def ask(client: TestClient) -> Any:
    rows = [{"card": f"card-{n}", "amount": 12.5, "country": "DE"} for n in CARDS]
    answer = client.post("/v1/predict/fraud", json={"rows": rows})
    assert answer.status_code == 200, answer.text
    return answer.json()


def logged(root: Path, version: int) -> pl.DataFrame:
    """The features that a version was given, row by row as they were logged."""
    paths = sorted(root.glob(f".featurectl/offline/shop/predictions/dev/fraud/v{version}/*/*.parquet"))
    rows = pl.concat([pl.read_parquet(path) for path in paths], how="diagonal")
    return rows.select(pl.col("^feature[.].*$"))


def replayed(root: Path, capsys: pytest.CaptureFixture[str]) -> str:
    live(root)  # so that the log knows the instants of before
    run(root, "materialize")
    capsys.readouterr()
    run(root, "verify")
    return capsys.readouterr().out


def test_both_versions_of_a_canary_are_replayed(shop: Path, capsys: pytest.CaptureFixture[str]):
    run(shop, "models", "canary", "start", "fraud@2", "--percent", "50")
    with serving(shop) as client:
        answers = [ask(client) for _ in range(3)]
    assert {row["version"] for answer in answers for row in answer["rows"]} == {1, 2}
    assert "120 of 120 rows replayed: 0 of 1,080 values differ" in replayed(shop, capsys)


def test_a_shadow_that_comes_late_is_given_features(
    shop: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Lists know the instants of the last seconds alone, and a shadow may wait for longer than that."""
    is_late, done, at_once = threading.Event(), list[ShadowRequest](), ShadowScorer._score  # noqa: SLF001

    async def late(of: ShadowScorer, waiting: ShadowRequest) -> None:
        await asyncio.to_thread(is_late.wait, LIMIT_S)
        await at_once(of, waiting)
        done.append(waiting)

    monkeypatch.setattr(ShadowScorer, "_score", late)
    run(shop, "models", "canary", "start", "fraud@2", "--percent", "0")
    with serving(shop) as client:
        for _ in range(3):
            ask(client)
        time.sleep(LATE_S)
        live(shop)
        is_late.set()
        wait_for(lambda: len(done) == 3)
    champion, challenger = logged(shop, 1), logged(shop, 2)
    assert (champion.height, challenger.height) == (120, 120)
    assert challenger.null_count().sum_horizontal().item() <= champion.null_count().sum_horizontal().item()
    assert re.search("rows replayed: 0 of [0-9,]+ values differ", replayed(shop, capsys))
