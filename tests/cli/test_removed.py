"""Rows of versions that nothing needs are removed on purpose, those of others never."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main
from tests.cli.shop import fill_shop
from tests.prepared import make_once


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    """A repository whose view `spend` is of version 2, with the rows of both versions online."""
    monkeypatch.chdir(tmp_path)
    make_once("two versions of a view online", tmp_path, lambda: push_two_versions(tmp_path))
    capsys.readouterr()
    return tmp_path


def push_two_versions(root):
    fill_shop(root)
    assert main(["push", "-q"]) == 0
    file = root / "views.yaml"
    file.write_text(file.read_text().replace("orders\n    aggregates", "orders\n    where: amount > 2\n    aggregates"))
    assert main(["apply", "--auto-approve", "--allow-breaking", "spend", "-q"]) == 0
    assert main(["materialize", "-q"]) == 0


def run(capsys, *words, exit_code=0):
    assert main([*words, "-q", "-o", "json"]) == exit_code
    document = json.loads(capsys.readouterr().out)
    return document["result"] if exit_code == 0 else document["problems"]


@pytest.mark.usefixtures("shop")
def test_an_old_version_is_counted_and_removed_and_once_more_is_no_error(capsys):
    for words, entities in ((("--dry-run",), 1), ((), 1), ((), 0)):
        result = run(capsys, "push", "--remove", "spend@1", *words)
        assert result["removed"] == [{"view": "spend", "version": 1, "entities": entities}]
    assert run(capsys, "get", "spend", "customer=ana")["version"] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--remove", "spend@2"), "it is the newest, and applied"),
        (("--remove", "spend"), "which version?"),
        (("--remove", "spend@9"), "no feature view 'spend@9' is applied"),
        (("spend", "--remove", "spend@1"), "--remove, and views to push"),
    ],
)
@pytest.mark.usefixtures("shop")
@pytest.mark.sample(1)
def test_what_is_needed_or_is_not_there_is_not_removed(capsys, words, said):
    assert main(["push", *words]) == 64
    assert said in capsys.readouterr().err
    assert run(capsys, "push", "--remove", "spend@1", "--dry-run")["removed"][0]["entities"] == 1


def test_rows_that_are_served_until_the_next_push_are_not_removed(shop, capsys):
    file = shop / "views.yaml"
    file.write_text(file.read_text().replace("amount > 2", "amount > 3"))
    assert main(["apply", "--auto-approve", "--allow-breaking", "spend", "-q"]) == 0
    capsys.readouterr()
    assert run(capsys, "get", "spend", "customer=ana")["version"] == 2
    assert main(["push", "--remove", "spend@2"]) == 64
    told = capsys.readouterr().err
    assert "--remove spend@2: it is served until the newest version is pushed" in told
    assert "featurectl materialize spend" in told
    assert run(capsys, "get", "spend", "customer=ana")["features"]
