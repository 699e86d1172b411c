"""Logs of streams, and of predictions, that were restored from before an erasure."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from featurectl.cli.main import main
from featurectl.streaming.stream_tables import StreamTables
from tests.erasure.test_streams import CANARY, count, left, logged_cards, run_once
from tests.streaming.session.swipes import Swipes

MODEL = """
models:
  - name: m
    spine: {source: swipes, time: at, label: {name: paid, expr: amount}}
    features: [{feature: "spend:amount_sum_1h"}]
    trainer:
      estimator: lightgbm.LGBMRegressor
      params: {n_estimators: 2, verbose: -1}
      validation: {split: time, fraction: 0.25}
"""
SAID = "log of stream swipes: restored from before an erasure"


class Restored:
    """A project whose offline place was put back from before an erasure, with all that workers had taken in the log."""

    def __init__(self, swipes: Swipes, capsys: pytest.CaptureFixture[str]) -> None:
        self.swipes, self._capsys = swipes, capsys
        self.root = swipes.root
        swipes.send(6)
        swipes.send(4, card=CANARY)
        swipes.send_texts(f"no JSON of {CANARY}", json.dumps({"card": CANARY, "swipe": "x"}))
        run_once(swipes)
        self.run("materialize")
        shutil.copytree(self.root / "off", self.root / "backup")
        self.run("erase", "card", f"card={CANARY}")
        assert SAID not in self.run("status")
        shutil.rmtree(self.root / "off")
        shutil.move(self.root / "backup", self.root / "off")

    def run(self, *words: str) -> str:
        """Run a command in the project and return what it says."""
        self._capsys.readouterr()
        assert main(["-C", str(self.root), *words, "-q"]) <= (words[0] == "status"), (
            words
        )  # of which views may be stale
        return self._capsys.readouterr().out

    def canaries(self) -> tuple[int, int]:
        """How many rows the log has of the erased card, and how many rejected events there are."""
        return logged_cards(self.swipes).count(CANARY), self.swipes.rejected().height


@pytest.fixture
def restored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Restored:
    return Restored(Swipes(root=tmp_path), capsys)


@pytest.mark.long
def test_a_restored_log_is_said_and_cleaned_by_erase_again(restored: Restored):
    assert restored.canaries() == (4, 2)
    assert SAID in restored.run("status")
    assert json.loads(restored.run("status", "-o", "json"))["result"]["restored_places"] == ["log of stream swipes"]
    said = restored.run("erase", "--again")
    assert restored.canaries() == (0, 1)  # of the other one nobody knows whose it is
    assert "1 event has no key that can be read, and it may be of a key that was erased before it came back" in said
    assert SAID not in restored.run("status")
    assert "no key that can be read" not in restored.run("erase", "card", f"card={CANARY}")
    assert restored.canaries() == (0, 0)


@pytest.mark.long
def test_another_erasure_cleans_a_restored_log_of_those_before(restored: Restored):
    restored.run("erase", "card", "card=c2")
    assert restored.canaries() == (0, 1)
    assert SAID not in restored.run("status")


@pytest.mark.long
@pytest.mark.sample(1)
@pytest.mark.parametrize("words", [["stream", "run", "--once"], ["stream", "rebuild", "spend"]], ids=" ".join)
def test_what_works_on_a_restored_log_cleans_it(restored: Restored, words: list[str]):
    restored.run(*words)
    assert restored.canaries() == (0, 1)
    assert SAID not in restored.run("status")
    assert (count(restored.swipes, CANARY), count(restored.swipes, "c1")) == (0, 7)


@pytest.mark.long
def test_what_is_made_of_a_restored_log_has_nothing_of_the_erased(restored: Restored, monkeypatch: Any):
    monkeypatch.setattr(StreamTables, "clean_restored", lambda *_: 0)
    restored.run("materialize", "--full")
    restored.swipes.apply(restored.swipes.objects + MODEL)
    restored.run("training-set", "m", "--out", str(restored.root / "set.parquet"))
    found = pl.read_parquet(restored.root / "set.parquet")
    assert {*found["card"]} == {"c1", "c2"}
    restored.run("train", "m")
    at = datetime.now(UTC).isoformat()
    (restored.root / "spine.csv").write_text(
        f"card,event_time\nc1,{at}\n{CANARY},{restored.swipes.begun.isoformat()}\n"
    )
    restored.run("score", "m", "--spine", str(restored.root / "spine.csv"), "--out", str(restored.root / "scores.csv"))
    assert pl.read_csv(restored.root / "scores.csv")["card"].to_list() == ["c1"]
    restored.run("stream", "rebuild", "spend")
    run_once(restored.swipes)
    assert restored.canaries() == (4, 2)
    assert (count(restored.swipes, CANARY), count(restored.swipes, "c1")) == (0, 7)
    assert {*left(restored.swipes)} == {"log of stream swipes", "rejected events of stream swipes"}
    tables = (restored.root / "off/shop/spend").glob("v1/*/*.parquet")
    assert CANARY not in [card for path in tables for card in pl.read_parquet(path)["card"]]
