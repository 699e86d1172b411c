"""Training sets and scores after an erasure: those of spines and sources without the person."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from featurectl.cli.main import main
from tests.erasure.erased_people import bury, erase
from tests.erasure.small_project import PEOPLE, random_rows
from tests.erasure.test_materialize import keeps, project

FILES = [random_rows(30, random.Random(3), step * 2) for step in range(3)]
FEATURES = "spend:*,visits:*,last:*,made:*,fixed:* as fixed_"


def spine(root: Path, *, without: str = "", form: str = "parquet") -> str:
    rng = random.Random(9)
    rows = [{"person": rng.choice([*PEOPLE, "dan"]), "place": rng.randrange(3), "number": n, "event_time": row["at"]}
            for n, row in enumerate(rng.choices([row for some in FILES for row in some], k=50))]  # fmt: skip
    frame = pl.DataFrame([row for row in rows if row["person"] != without])
    path = root / f"spine.{form}"
    frame.write_parquet(path) if form == "parquet" else frame.write_csv(path)
    return str(path)


def training_set(root: Path, *words: str, code: int = 0) -> pl.DataFrame | None:
    out = root / "train.parquet"
    assert main(["training-set", "-C", str(root), "--out", str(out), "-q", *words]) == code
    return pl.read_parquet(out) if code == 0 else None


@pytest.mark.long
@pytest.mark.parametrize("is_removed", [True, False], ids=["removed", "not yet removed"])
@pytest.mark.sample(1)
def test_a_training_set_is_that_of_a_spine_without_the_person(tmp_path, capsys, is_removed):
    root, person = project(tmp_path / "a", FILES), PEOPLE[1]
    (erase(root, "person", person=person), erase(root, "visit", person=person)) if is_removed else (
        bury(root, "person", {"person": person}), bury(root, "visit", {"person": person}))  # fmt: skip
    capsys.readouterr()
    made = training_set(root, "--features", FEATURES, "--spine", spine(root))
    count = int((pl.read_parquet(spine(root))["person"] == person).sum())
    assert f"{count} rows of the spine are left out: their keys are erased" in capsys.readouterr().out
    manifest = json.loads((root / "train.parquet.manifest.json").read_text())
    assert manifest["spine"]["erased"] == count > 1
    other = project(tmp_path / "b", FILES, keeps(({"person": person}, None)))
    assert_frame_equal(made, training_set(other, "--features", FEATURES, "--spine", spine(other, without=person)))
    again = training_set(root, "--from-manifest", str(root / "train.parquet.manifest.json"))
    assert_frame_equal(made, again)


@pytest.mark.long
def test_rows_of_a_spine_after_the_erasure_stay(tmp_path):
    root, person, until = project(tmp_path / "a", FILES), PEOPLE[1], FILES[1][9]["at"]
    before = training_set(root, "--features", FEATURES, "--spine", spine(root))
    bury(root, "person", {"person": person}, until)
    after = training_set(root, "--features", FEATURES, "--spine", spine(root, form="csv"))
    stays = ~((pl.col("person") == person) & (pl.col("event_time") <= until))
    assert 0 < before.filter(~stays).height < before.filter(pl.col("person") == person).height
    assert after["number"].to_list() == before.filter(stays)["number"].to_list()
    assert_frame_equal(after.filter(pl.col("person") != person).select(before.columns[4:]),
                       before.filter(pl.col("person") != person).select(before.columns[4:]))  # fmt: skip


@pytest.mark.long
def test_a_manifest_of_before_an_erasure_says_what_was_erased(tmp_path, capsys):
    root, person = project(tmp_path / "a", FILES), PEOPLE[1]
    training_set(root, "--features", FEATURES, "--spine", spine(root))
    manifest = str(root / "train.parquet.manifest.json")
    bury(root, "person", {"person": person})
    capsys.readouterr()
    training_set(root, "--from-manifest", manifest, code=1)
    said = capsys.readouterr().err
    assert "FC529" in said
    assert "keys that were erased since" in said
    erase(root, "person", person=person)
    capsys.readouterr()
    training_set(root, "--from-manifest", manifest, code=1)
    said = capsys.readouterr().err
    assert "FC529" in said
    assert "can't be made again: version 0 of the table of spend@1 held rows that were erased on 20" in said


@pytest.mark.long
def test_keys_from_a_view_are_those_that_are_not_erased(tmp_path):
    root, person = project(tmp_path / "a", FILES), PEOPLE[1]
    bury(root, "person", {"person": person})
    made = training_set(root, "--features", "spend:*", "--keys-from", "spend", "--at", "2026-02-01T00:00:00Z")
    assert made["person"].to_list() == sorted({*PEOPLE} - {person})
