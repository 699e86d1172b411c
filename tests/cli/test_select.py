"""`--select` of materialize and push: applied views by what they are called, tagged, made of and filed under."""

import json

import pytest

from featurectl.cli.main import main
from tests.cli.shop import FILES, apply_shop, write_shop


@pytest.fixture
def shop(tmp_path, monkeypatch):
    write_shop(tmp_path)
    apply_shop(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def views(capsys, *argv):
    assert main([*argv, "-o", "json"]) == 0
    return [view["view"] for view in json.loads(capsys.readouterr().out)["result"]["views"]]


@pytest.mark.usefixtures("shop")
def test_materialize_and_push_take_what_is_selected(capsys):
    every = views(capsys, "materialize")
    assert views(capsys, "materialize", "--select", "spend") == ["spend"]
    assert views(capsys, "materialize", "--select", "kind:feature_view") == every
    assert views(capsys, "materialize", "--select", "orders+") == every
    assert views(capsys, "push", "--select", "sp*") == ["spend"]
    assert views(capsys, "materialize", "spend", "--select", "h*") == ["history", "spend"]


@pytest.mark.parametrize(
    ("term", "said"),
    [
        ("spendd", "--select 'spendd' chooses nothing"),
        ("kind:entity", "--select kind:entity chooses no feature view that is applied"),
        ("state:modified", "--select state:modified chooses no feature view that is applied"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_a_selection_without_an_applied_view_is_wrong_usage(capsys, term, said):
    assert main(["materialize", "--select", term]) == 64
    assert said in capsys.readouterr().err


def test_the_shop_has_the_views_of_these_tests():
    assert "name: history" in "".join(FILES.values())
