"""A stage with `replicas`: parts of one batch of scores, each a process, and one output of all."""

from __future__ import annotations

import json

import polars as pl
import pytest

from featurectl.cli.main import main
from tests.operations.scoring.shop import OBJECTS, make_shop, write_spine

PIPELINES = """
pipelines:
  - name: nightly
    schedule: "0 3 * * *"
    stages:
      - {name: score, run: score m --spine spine.parquet --out scores.parquet, resources: {cpu: 0.5, replicas: 3}}
"""


@pytest.mark.long
def test_parts_of_a_stage_write_one_output(tmp_path, monkeypatch, capsys):
    make_shop(tmp_path, OBJECTS + PIPELINES)
    monkeypatch.chdir(tmp_path)
    write_spine(tmp_path / "spine.parquet", 250_000)
    assert main(["score", "m", "--spine", "spine.parquet", "--out", "one.parquet", "-q"]) == 0
    for _ in range(2):  # another run of the pipeline is another batch
        capsys.readouterr()
        assert main(["pipeline", "run", "nightly", "-o", "json", "-q"]) == 0
        assert (tmp_path / "scores.parquet").read_bytes() == (tmp_path / "one.parquet").read_bytes()
        manifest = json.loads((tmp_path / "scores.parquet.manifest.json").read_text())
        assert manifest["rows"] == 250_000
        (tmp_path / "scores.parquet").unlink()
    assert list(tmp_path.rglob("*.np[yz]")) == []
    assert pl.read_parquet(tmp_path / "one.parquet").height == 250_000
