"""The engine that an environment names is the one that computes: one that there is not is an error, not Polars."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.cli.shop import apply_shop, write_shop

SET = ("training-set", "--features", "spend:count_7d", "--spine", "orders.csv", "--out", "set.parquet")


def name_engine(root: Path, name: str) -> None:
    project = root / "featurectl.yaml"
    environment = "offline: off, online"
    project.write_text(project.read_text().replace(environment, f"engine: {{type: {name}}}, {environment}"))


@pytest.mark.parametrize("words", [("materialize",), SET])
def test_a_command_that_computes_names_the_engines_that_there_are(tmp_path, capsys, monkeypatch, words):
    write_shop(tmp_path)
    apply_shop(tmp_path)
    name_engine(tmp_path, "spark")
    monkeypatch.chdir(tmp_path)
    assert main([*words]) == 64
    assert "environment dev: no engine 'spark'\n  = engines: polars\n" in capsys.readouterr().err


def test_feature_tests_are_the_same_whatever_the_engine(tmp_path):
    write_shop(tmp_path)
    name_engine(tmp_path, "spark")
    assert main(["test", "-C", str(tmp_path)]) == 0
