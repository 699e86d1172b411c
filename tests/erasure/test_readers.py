"""What shows rows of tables shows none of an erased key, before they are removed and afterwards."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.erasure.erased_people import bury, erase_again
from tests.model_shop import Shop, objects, open_shop

SPINE = "k,at,kind,amount\n" + "".join(f"k{i % 7},2026-01-{5 + i:02}T00:00:00Z,a,{i}\n" for i in range(14))


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shop]:
    with open_shop(tmp_path, monkeypatch, capsys) as opened:
        opened.make(objects())
        (tmp_path / "spine.csv").write_text(SPINE)
        yield opened


def keys_of(path: Path) -> set[str]:
    with path.open() as file:
        return {row["k"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "not yet removed"])
@pytest.mark.sample(1)
def test_scores_are_of_keys_that_are_not_erased(shop: Shop, *, is_removed: bool):
    shop.run("train", "m", "--again")
    scored = {}
    for words in (["--spine", "spine.csv"], ["--all-keys"]):
        shop.run("score", "m", *words, "--out", "scores.csv")
        scored[words[0]] = (shop.root / "scores.csv").read_text().splitlines()
        assert "k1" in keys_of(shop.root / "scores.csv")
    bury(shop.root, "key", {"k": "k1"})
    if is_removed:
        erase_again(shop.root)
    said = shop.run("score", "m", "--spine", "spine.csv", "--out", "scores.csv")
    assert "2 rows of the spine are left out: their keys are erased" in said.out
    assert json.loads((shop.root / "scores.csv.manifest.json").read_text())["spine"]["erased"] == 2
    left = [line for line in scored["--spine"] if not line.startswith("k1,")]
    assert (shop.root / "scores.csv").read_text().splitlines() == left
    shop.run("score", "m", "--all-keys", "--out", "scores.csv")
    left = [line for line in scored["--all-keys"] if not line.startswith("k1,")]
    assert (shop.root / "scores.csv").read_text().splitlines() == left


@pytest.mark.long
def test_a_model_is_trained_without_rows_of_erased_keys(shop: Shop):
    rows = [line for line in (shop.root / "s.csv").read_text().splitlines() if not line.startswith("k1,")]
    bury(shop.root, "key", {"k": "k1"})
    shop.run("train", "m", "--again")
    version, _ = shop.version()
    assert version.left_out["erased"] == 6
    assert version.rows_train + version.rows_validation == len(rows) - 1
    assert version.manifest["spine"]["erased"] == 6  # type: ignore[index]
    erase_again(shop.root)
    shop.run("materialize")
    shop.run("train", "m", "--again")
    again, _ = shop.version(2)
    assert again.metrics == version.metrics


def test_a_version_that_was_trained_before_can_not_be_made_again(shop: Shop):
    shop.run("train", "m", "--again")
    bury(shop.root, "key", {"k": "k1"})
    erase_again(shop.root)
    said = shop.run("train", "m", "--from-version", "1", code=1)
    assert "FC529" in said.err
    assert "version 0 of the table of v@1 held rows that were erased on 20" in said.err


def test_values_of_an_erased_key_are_those_of_one_that_nobody_knows(shop: Shop):
    nobody = json.loads(shop.run("get", "v", "k=nobody", "--offline", "-o", "json").out)["result"]
    bury(shop.root, "key", {"k": "k1"})
    erased = json.loads(shop.run("get", "v", "k=k1", "--offline", "-o", "json").out)["result"]
    assert str(erased).replace("k1", "nobody") == str(nobody)
