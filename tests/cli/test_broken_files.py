"""A broken file ends no command that works on what is applied: what watches and serves goes on beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.serving.process.start import open_app
from featurectl.serving.settings import ServeSettings
from tests.prepared import make_once

REPOSITORY = """
project: shop
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///on.db", now: 2026-01-06T00:00:00Z}
"""
OBJECTS = """
entities: [{name: user, keys: {user_id: string}}]
sources:
  - {name: orders, path: o.csv, event_time: at, columns: {user_id: string, at: timestamp, amount: float64}}
feature_views:
  - {name: last, entity: user, source: orders, features: [amount], freshness: {error_after: 9d}}
"""
WORK_ON = [
    "status", "why last", "get last user_id=a", "verify --store", "models list", "history",
    "monitor export --textfile m",
    "monitor check --dry-run", "materialize", "push", "materialize --dry-run",
]  # fmt: skip


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_once("orders of users", tmp_path, fill)
    return tmp_path


def fill():
    Path("featurectl.yaml").write_text(REPOSITORY)
    Path("objects.yaml").write_text(OBJECTS)
    Path("o.csv").write_text("user_id,at,amount\na,2026-01-05T00:00:00Z,7\n")
    assert main(["apply", "--auto-approve", "-q"]) == 0
    assert main(["materialize", "-q"]) == 0


@pytest.mark.parametrize("words", WORK_ON)
@pytest.mark.usefixtures("shop")
@pytest.mark.sample(3)
def test_what_works_on_what_is_applied_says_the_same_beside_a_broken_file(words, capsys):
    capsys.readouterr()
    code, whole = main(words.split()), capsys.readouterr()
    Path("views.yaml").write_text("feature_views: [{nam: x}]")
    Path("objects.yaml").write_text(OBJECTS.replace("source: orders", "source: ordres"))
    assert (main(words.split()), (broken := capsys.readouterr()).out) == (code, whole.out)
    told = "warning: 3 errors in the files, the first at objects.yaml:6:40; what is applied is used here"
    assert (told in broken.err) == (words[:11] == "materialize")  # the others read no file but featurectl.yaml
    assert "warning" not in whole.err


def test_a_server_starts_beside_a_broken_file(shop):
    Path("views.yaml").write_text("feature_views: [{nam: x}]")
    assert open_app(ServeSettings(root=str(shop))) is not None


@pytest.mark.parametrize(
    "words", ["plan", "apply --auto-approve", "validate", "materialize --select path:o*", "monitor rules"]
)
@pytest.mark.usefixtures("shop")
def test_what_needs_the_files_is_refused_with_all_that_is_wrong(words, capsys):
    Path("views.yaml").write_text("feature_views: [{nam: x}]")
    capsys.readouterr()
    assert main([*words.split(), "-q"]) == 1
    told = capsys.readouterr()
    assert "views.yaml:1:" in told.out + told.err


@pytest.mark.usefixtures("shop")
def test_an_error_in_the_file_of_the_environments_ends_every_command(capsys):
    Path("featurectl.yaml").write_text(REPOSITORY.replace("online", "onlin"))
    capsys.readouterr()
    assert main(["status", "-q"]) == 1
    told = capsys.readouterr()
    assert "featurectl.yaml:4:" in told.out + told.err


BROKEN_TEST = """
tests:
  - {name: t, view: last, rows: [], spine: [{user_id: a, time: 2026-01-05T00:00:00Z}], expect: [{amuont: 7}]}
  - {nam: u}
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [("materialize", 0), ("push", 0), ("score gone", 64), ("validate", 1), ("plan", 1), ("test", 1)],
)
@pytest.mark.usefixtures("shop")
def test_an_error_in_a_feature_test_ends_what_runs_tests_and_plans_alone(words, code, capsys):
    Path("tests.yaml").write_text(BROKEN_TEST)
    capsys.readouterr()
    assert main(words.split()) == code
    assert ("[FC311]" in "".join(capsys.readouterr())) == (code == 1)
