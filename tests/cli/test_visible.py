"""No text of a file, of a table or of a person steers the terminal that shows it."""

import sys
import unicodedata

import pytest

from featurectl.cli.render.table import render_table
from featurectl.cli.render.visible import in_one_line, visible
from tests.cli.test_plan_apply_history import rewrite, run
from tests.cli.test_saved_plan import repo  # noqa: F401 - a fixture

STEERING = "\x1b[31mred"


def test_only_what_steers_is_escaped():
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        steers = unicodedata.category(char) in ("Cc", "Zl", "Zp") or unicodedata.name(char, "").startswith(
            ("LEFT-TO-RIGHT ", "RIGHT-TO-LEFT ", "ARABIC LETTER MARK", "POP DIRECTIONAL", "FIRST STRONG ISOLATE")
        )
        assert (in_one_line(char) != char) is steers, hex(number)
        assert (visible(char) != char) is (steers and char not in "\t\n"), hex(number)


def test_a_cell_of_a_table_stays_in_its_line():
    assert render_table(["a", "b"], [["x\ny", "1"]]) == ["a     b", "x\\ny  1"]


@pytest.mark.parametrize("output", ["text", "concise", "github"])
def test_problems_show_it(repo, capsys, output):  # noqa: F811
    rewrite(repo, "op: count", '"o\\ep": count')
    code, out, err = run(capsys, "validate", "-o", output)
    assert code == 1
    assert "\\x1b" in out + err
    assert "\x1b" not in out + err


def test_errors_show_it(repo, capsys):  # noqa: F811
    code, _, err = run(capsys, "apply", STEERING)
    assert code == 64
    assert "\\x1b" in err
    assert "\x1b" not in err


def test_the_history_shows_it(repo, capsys, monkeypatch):  # noqa: F811
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, STEERING)
    run(capsys, "apply", "--auto-approve")
    for words in ((), ("1",)):
        out = run(capsys, "history", *words)[1]
        assert "\\x1b[31mred@" in out
        assert "\x1b" not in out


@pytest.mark.parametrize("output", ["text", "github", "junit"])
def test_names_of_tests_show_it_and_begin_no_line(repo, capsys, output):  # noqa: F811
    (repo / "t.yaml").write_text(
        "tests:\n"
        '  - name: "a\\e[31mred\\n::stop-commands::x"\n'
        "    view: spend\n"
        "    rows: [{customer: ann, ordered_at: 2026-01-01T00:00:00Z, amount: 1}]\n"
        "    spine: [{customer: ann, time: 2026-01-02T00:00:00Z}]\n"
        "    expect: [{count_7d: 5}]\n"
    )
    code, out, err = run(capsys, "test", "-o", output)
    assert code == 1, err
    assert "31mred" in out
    assert "\x1b" not in out + err
    assert not [line for line in (out + err).splitlines() if line.startswith("::stop")]


@pytest.mark.parametrize("output", ["text", "concise", "github", "sarif", "junit"])
def test_names_of_files_show_it(repo, capsys, output):  # noqa: F811
    (repo / "a\x1b[31mred\n::stop-commands::x.yaml").write_text("entities: [{name: 3}]\n")
    code, out, err = run(capsys, "validate", "-o", output)
    assert code == 1
    assert "31mred" in out + err
    assert "\x1b" not in out + err
    assert not [line for line in (out + err).splitlines() if line.startswith("::stop")]


def test_colors_are_ours_alone(repo, capsys):  # noqa: F811
    (repo / "a\x1b[2Jx.yaml").write_text("entities: [{name: 3}]\n")
    code, _, err = run(capsys, "validate", "--color", "always")
    assert code == 1
    assert "\x1b[1;31m" in err
    assert "\x1b[2J" not in err
