"""Rows of a spine that are later than now, or than their features were computed: said by whatever joins them."""

from __future__ import annotations

import warnings

import pytest

import featurectl
from featurectl.cli.main import main
from tests.bad_input.shop import FILES, NOW

MOVED = "2026-01-04T00:00:00Z"
LATE = "{} rows are later than spend@1 was computed (2026-01-04 00:00): featurectl materialize spend"
FUTURE = "{} rows are later than now (2026-01-04 00:00): their features are those known by now"


class Shop:
    """The repository of `tests.bad_input`, trained on no row yet, whose now can be moved."""

    def __init__(self, root, capsys):
        self.root, self.capsys = root, capsys

    def at(self, now):
        (self.root / "featurectl.yaml").write_text(FILES["featurectl.yaml"].replace(NOW, now))

    def run(self, *words, code=0):
        self.capsys.readouterr()
        assert main([*words]) == code
        return self.capsys.readouterr()


@pytest.fixture
def shop(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    made = Shop(tmp_path, capsys)
    made.at(MOVED)
    made.run("apply", "--auto-approve")
    made.run("materialize")
    return made


@pytest.mark.long
def test_train_leaves_rows_later_than_now_out_and_once_more_too(shop):
    said = shop.run("train", "pays")
    assert "left out: 24 rows later than now" in said.out
    assert "warning" not in said.err
    shop.at(NOW)
    assert "the same metrics, the same bytes" in shop.run("train", "pays", "--from-version", "1").out


@pytest.mark.long
def test_rows_later_than_a_table_was_computed_are_told_of(shop):
    shop.run("train", "pays")
    shop.at(NOW)
    for words in (("train", "pays"), ("training-set", "pays", "--out", "t.csv"), ("score", "pays", "--out", "s.csv")):
        assert "warning: " + LATE.format(24) in shop.run(*words).err
    shop.run("materialize")
    for words in (("train", "pays"), ("training-set", "pays", "--out", "t.csv"), ("score", "pays", "--out", "s.csv")):
        assert "warning" not in shop.run(*words).err


def test_rows_of_a_file_later_than_now_are_told_of_and_stay(shop):
    shop.run("train", "pays")
    for words in (("training-set", "--time", "at"), ("score",)):
        said = shop.run(*words, "pays", "--spine", "data/asks.csv", "--out", "x.csv")
        assert "warning: " + FUTURE.format(24) in said.err
        assert len((shop.root / "x.csv").read_text().splitlines()) == 41


def test_every_key_as_of_now_is_no_later_row(shop):
    shop.at(NOW)
    said = shop.run("training-set", "--features", "spend:*", "--keys-from", "spend", "--out", "k.csv")
    assert "warning" not in said.err


@pytest.mark.long
def test_python_warns_of_later_rows(shop):
    project = featurectl.open_project()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        project.train("pays")
    shop.at(NOW)
    for call in (project.train, project.training_set, project.score):
        with pytest.warns(UserWarning, match="24 rows are later than spend@1 was computed") as found:
            call("pays")
        assert found[0].filename == __file__
