"""Colors: where they are wanted, and that states and plans have them, whatever names of a repository say."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import pytest

import featurectl
from featurectl.cli.main import main
from featurectl.render.paint import STYLES, Paint, paint_signs, paint_states, wants_color

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
        ("a  OK  1", f"a  {ON('OK', 'good')}  1"),
        ("a  WARN", f"a  {ON('WARN', 'warning')}"),
        ("STALE  b\na  ERROR", f"{ON('STALE', 'error')}  b\na  {ON('ERROR', 'error')}"),
        ("all is OK here, an ERROR: x", "all is OK here, an ERROR: x"),
    ],
)
def test_words_for_states_are_colored_where_they_are_all_of_a_cell(text, painted):
    assert paint_states(text, ON) == painted
    assert paint_states(text, Paint(on=False)) == text


def test_signs_of_a_plan_are_colored_and_stay_as_they_are():
    text = "  + view a  new\n  - view b  BLOCKED\n      ~ where  - -> x"
    assert paint_signs(text, ON) == (
        f"  {ON('+', 'good')} view a  new\n  {ON('-', 'error')} view b  {ON('BLOCKED', 'error')}\n"
        f"      {ON('~', 'warning')} where  - -> x"
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
    assert f"{ON('+', 'good')} view" in capsys.readouterr().out


PALETTE = (0, 95, 135, 175, 215, 255)  # of the colors 16 to 231, which no theme changes
MOVES = {"\x1b[H\x1b[2J", "\r\x1b[2K", "\x1b[0m"}  # of a cursor, and to no style


GROUNDS = {
    "white": (255, 255, 255), "Solarized light": (253, 246, 227),
    "black": (0, 0, 0), "Solarized dark": (0, 43, 54), "GNOME dark": (30, 30, 30),
}  # fmt: skip


def luminance(color: tuple[int, ...]) -> float:
    """Return how bright a color is, from 0 to 1, as the rules on readable pages have it."""
    parts = [part / 255 for part in color]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("style", [style for style in STYLES if style != "strong"])
def test_a_color_can_be_read_on_light_and_on_dark_grounds(style):
    code = STYLES[style].removeprefix("1;")
    assert code.startswith("38;5;"), "a color of the theme may be anything"
    number = int(code.removeprefix("38;5;")) - 16
    own = luminance(tuple(PALETTE[number // step % 6] for step in (36, 6, 1))) + 0.05
    for name, color in GROUNDS.items():
        ground = luminance(color) + 0.05
        assert max(own, ground) / min(own, ground) >= 3, name


def escapes_in(path: Path) -> set[str]:
    """Return the texts of a module, those of its documentation apart, that write to a terminal what steers it."""
    tree = ast.parse(path.read_text())
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documented]
    return {node.value for node in texts if isinstance(node.value, str) and "\x1b[" in node.value}


@pytest.mark.long
def test_nothing_but_the_table_gives_a_style():
    folder = Path(featurectl.__file__).parent
    found = {path.name: escapes_in(path) - MOVES for path in folder.rglob("*.py")}
    assert {name: texts for name, texts in found.items() if texts} == {"paint.py": {"\x1b["}}


@pytest.mark.parametrize("words", [["plan"], ["validate"], ["status"]])
def test_what_a_terminal_gets_has_styles_of_the_table_alone(tmp_path, capsys, monkeypatch, words):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    root = tmp_path / "shop"
    assert main(["init", str(root), "--template", "minimal", "-q"]) == 0
    assert main(["apply", "--auto-approve", "-q", "-C", str(root)]) == 0
    (root / "more.yaml").write_text("entities: [{name: a, keys: {a: string}, ownr: x}]\n")
    capsys.readouterr()
    main([*words, "-C", str(root)])
    styles = re.findall(r"\x1b\[([0-9;]*)m", "".join(capsys.readouterr()))
    assert set(styles) - {"0"}
    assert set(styles) <= {"0", *STYLES.values()}
