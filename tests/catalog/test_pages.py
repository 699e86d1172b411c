"""Pages, finds and lineage as JSON; names that nothing has. `tests/cli/test_every_command.py` has the texts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from featurectl.cli.main import main
from tests.cli.golden import assert_golden

pytestmark = pytest.mark.usefixtures("shop")

COMMANDS = {
    "show_feature": ["show", "spend:per_order"],
    "show_model": ["show", "big"],
    "search": ["search", "spend"],
    "lineage": ["lineage", "orders"],
}


def stable(text: str) -> str:
    """Return a text in which the times at which it was applied are always the same."""
    return re.sub(r"20\d\d-\d\d-\d\dT[\d:.]+Z", "2026-01-01T00:00:00Z", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_json_of_a_page_has_all_of_it(capsys, name):
    assert main([*COMMANDS[name], "-o", "json"]) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["ok"] is True
    assert_golden(f"catalog_{name}.json", stable(text))


def test_in_a_pipe_a_line_is_a_row_whatever_its_length(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert main(["list", "features"]) == 0
    text = capsys.readouterr().out
    assert "percentile 0.9 of amount where status = 'paid' over 3d, until 1d before" in text


@pytest.mark.parametrize(("columns", "has_values"), [(80, False), (120, True), (200, True)])
def test_values_give_way_where_definitions_need_the_room(capsys, monkeypatch, columns, has_values):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["show", "spend"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (head,) = [line for line in lines if line.startswith("feature ")]
    assert ("least .. median .. greatest" in head) is has_values
    assert any(line.startswith("(left out to fit: least .. median") for line in lines) is not has_values


def test_a_name_of_several_kinds_shows_each_and_one_when_it_says_which(capsys):
    other = '\nnotifiers: [{name: spend, command: "true"}]\n'
    path = Path("more.yaml")
    path.write_text(other)
    assert main(["apply", "--auto-approve", "-q"]) == 0
    capsys.readouterr()
    kinds = []
    for name in ("spend", "notifier:spend", "view:spend"):
        assert main(["show", name, "-o", "json"]) == 0
        kinds.append([item["kind"] for item in json.loads(capsys.readouterr().out)["result"]["objects"]])
    assert kinds == [["view", "notifier"], ["notifier"], ["view"]]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("spent", 'did you mean "spend"?'),
        ("spend:per_ordr", 'did you mean "per_order"?'),
        ("source:order", 'did you mean "orders"?'),
        ("spent:x", 'did you mean "spend"?'),
        ("", "featurectl list"),
        ("view:", "featurectl list views"),
    ],
)
def test_a_name_that_nothing_has_is_an_error_with_the_nearest(capsys, name, says):
    for command in ("show", "lineage"):
        assert main([command, name]) == 64
        assert says in capsys.readouterr().err


@pytest.mark.parametrize("depth", ["-1", "x", "1.5", ""])
def test_a_depth_that_is_no_number_is_an_error(capsys, depth):
    assert main(["show", "spend", f"--depth={depth}"]) == 64
    assert "--depth" in capsys.readouterr().err


def test_an_older_version_of_a_view_is_shown_by_its_number(capsys):
    found = []
    for name in ("spend@1", "spend@2", "spend", "spend@1:count_7d"):
        assert main(["show", name, "-o", "json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["result"]["objects"][0])
    assert [item["version"] for item in found] == [1, 2, 2, 1]
    assert [item["facts"].get("where") for item in found[:3]] == ["amount >= 0", "amount >= 1", "amount >= 1"]
    assert all([version["version"] for version in item["versions"]] == [2, 1] for item in found)
    for name, says in (("spend@9", "versions of spend: 1, 2"), ("big@1", "featurectl models show big@1")):
        assert main(["show", name]) == 64
        assert says in capsys.readouterr().err


def test_a_feature_without_its_view_is_named_with_it(capsys):
    assert main(["show", "per_order"]) == 64
    assert capsys.readouterr().err.splitlines()[1:] == ["  = featurectl show spend:per_order"]


def test_a_feature_is_explained_by_its_view(capsys):
    pages = []
    for name in ("spend", "spend:per_order"):
        main(["why", name, "customer=c1", "-q"])
        pages.append(capsys.readouterr().out)
    assert pages[0] == pages[1] != ""
    assert main(["why", "spend:nope"]) == 64
    assert "view spend has no feature 'nope'" in capsys.readouterr().err
