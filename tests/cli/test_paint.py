"""Colors: where they are wanted, and that states and plans have them, whatever names of a repository say."""

from __future__ import annotations

import io

import pytest

from featurectl.cli.main import main
from featurectl.render.paint import Paint, paint_signs, paint_states, wants_color

ON = Paint(on=True)


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "choice", "terminal", "pipe"),
    [
        ({}, "auto", True, False),
        ({"FORCE_COLOR": "1"}, "auto", True, True),
        ({"FORCE_COLOR": "0"}, "auto", True, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, "auto", False, False),
        ({"NO_COLOR": "1"}, "auto", False, False),
        ({"NO_COLOR": "1"}, "always", True, True),
        ({"FORCE_COLOR": "1"}, "never", False, False),
        ({"TERM": "dumb"}, "auto", False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, "auto", True, True),
    ],
)
def test_what_is_asked_for_wins_then_no_color_then_force_color(monkeypatch, variables, choice, terminal, pipe):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert wants_color(choice, Terminal()) is terminal
    assert wants_color(choice, io.StringIO()) is pipe


@pytest.mark.parametrize(
    ("text", "painted"),
    [
        ("a  OK  1", "a  \x1b[32mOK\x1b[0m  1"),
        ("a  WARN", "a  \x1b[33mWARN\x1b[0m"),
        ("STALE  b\na  ERROR", "\x1b[1;31mSTALE\x1b[0m  b\na  \x1b[1;31mERROR\x1b[0m"),
        ("all is OK here, an ERROR: x", "all is OK here, an ERROR: x"),
    ],
)
def test_words_for_states_are_colored_where_they_are_all_of_a_cell(text, painted):
    assert paint_states(text, ON) == painted
    assert paint_states(text, Paint(on=False)) == text


def test_signs_of_a_plan_are_colored_and_stay_as_they_are():
    text = "  + view a  new\n  - view b  BLOCKED\n      ~ where  - -> x"
    assert paint_signs(text, ON) == (
        "  \x1b[32m+\x1b[0m view a  new\n  \x1b[1;31m-\x1b[0m view b  \x1b[1;31mBLOCKED\x1b[0m\n"
        "      \x1b[33m~\x1b[0m where  - -> x"
    )


def test_color_of_a_plan_is_there_when_it_is_asked_for_and_not_in_a_pipe(tmp_path, capsys, monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "shop"
    assert main(["init", str(root), "--template", "minimal", "-q"]) == 0
    capsys.readouterr()
    assert main(["plan", "-C", str(root)]) == 0
    plain = capsys.readouterr().out
    assert "\x1b" not in plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert main(["plan", "-C", str(root)]) == 0
    assert "\x1b[32m+\x1b[0m view" in capsys.readouterr().out
