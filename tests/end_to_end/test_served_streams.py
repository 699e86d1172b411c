"""Predictions on a stream's views, as the template of swipes has them: served, logged, replayed; drift; as served."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from starlette.testclient import TestClient

from featurectl.cli.main import main
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings

pytestmark = pytest.mark.long  # a whole life of a repository


def run(root: Path, *words: str, code: int = 0) -> None:
    assert main([*words, "-C", str(root), "-q"]) == code, words


def write_shop(root: Path) -> None:
    """Write the template's repository, with its history, whose model is asked over HTTP and not on events."""
    assert main(["init", str(root), "--template", "swipes", "-q"]) == 0
    model = root / "models" / "fraud.yaml"
    asked = re.sub(r"      known_at: .*\n|    on_events:(.*\n)+?(?=    trainer:)", "", model.read_text())
    assert "on_events" not in asked
    assert "known_at" not in asked
    model.write_text(asked)
    subprocess.run([sys.executable, "swipes.py", "history"], cwd=root, capture_output=True, check=True)


def live(root: Path) -> None:
    """Send swipes of the last half hour, and let a worker take them."""
    events = subprocess.run([sys.executable, "swipes.py", "live"], cwd=root, capture_output=True, check=True)
    (root / "live.ndjson").write_bytes(events.stdout)
    run(root, "stream", "send", "swipes", str(root / "live.ndjson"))
    run(root, "stream", "run", "--once")


def test_what_is_served_of_a_stream_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = tmp_path / "shop"
    write_shop(root)
    run(root, "apply", "--auto-approve")
    run(root, "materialize")
    run(root, "train", "fraud")
    live(root)
    with TestClient(open_app(ServeSettings(root=str(root), timeout_s=20, store_timeout_s=10, judge_s=0.2))) as client:
        rows = [{"card": f"card-{n}", "amount": 12.5, "country": "DE"} for n in range(100, 125)]
        for _ in range(5):
            answer = client.post("/v1/predict/fraud", json={"rows": rows})
            assert answer.status_code == 200, answer.text
        time.sleep(1)
    live(root)  # so that the log knows the instants of before
    run(root, "materialize")
    capsys.readouterr()
    run(root, "verify")
    said = capsys.readouterr().out
    assert "125 of 125 rows replayed: 0 of 1,125 values differ" in said
    assert main(["monitor", "drift", "fraud", "-C", str(root), "-q"]) == 1  # 125 rows of one amount
    assert "merchant_count_distinct_1d" in capsys.readouterr().out
    run(root, "training-set", "fraud", "--as-served", "--out", str(root / "served.parquet"))
    run(root, "training-set", "fraud", "--out", str(root / "plain.parquet"))
    served, plain = (pl.read_parquet(root / f"{name}.parquet") for name in ("served", "plain"))
    assert served.equals(plain, null_equal=True)
