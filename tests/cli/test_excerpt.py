"""The line of a problem, cut where it is too long for the screen."""

from featurectl.cli.render.excerpt import draw_problem
from featurectl.language.problems.codes import Problem
from featurectl.language.syntax.place import Place
from featurectl.render.paint import Paint

PLAIN = Paint(on=False)
SUGGESTION = 'did you mean "amount"?'


def drawn(line: str, column: int, end: int, suggestion: str = SUGGESTION) -> list[str]:
    problem = Problem(code="FC301", message="no column", place=Place("a.yaml", 1, column, end), suggestion=suggestion)
    return draw_problem(problem, [line], lambda path: path, PLAIN, 44).split("\n")


def test_a_suggestion_stands_beside_the_caret_where_there_is_room():
    assert drawn("where: amuont > 1", 8, 14)[2:] == ["1 | where: amuont > 1", f"  |        ^^^^^^ {SUGGESTION}"]


def test_carets_end_where_the_line_is_cut_and_the_suggestion_stands_below():
    lines = drawn("where: " + "amuont_" * 20 + " > 1", 8, 148)
    assert lines[2:] == [
        "1 | where: amuont_amuont_amuont_amuont_am...",
        "  |        " + "^" * 30,
        "  |",
        f"  = {SUGGESTION}",
    ]
    assert max(map(len, lines)) <= 44
