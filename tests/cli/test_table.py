"""Tables that fit: no line is too wide, no word of a cell is lost, and nothing changes where there is room."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurectl.render.screen import cut_text, fit_text, screen_width, text_width
from featurectl.render.table import NarrowForm, render_table
from tests.seeds import examples

CELLS = st.text("ab _:/日é", max_size=24)
TABLES = st.integers(1, 5).flatmap(
    lambda columns: st.lists(st.lists(CELLS, min_size=columns, max_size=columns), min_size=2, max_size=6)
)


def squeezed(text: str) -> str:
    """Return a text without spaces and line ends."""
    return "".join(text.split())


@given(TABLES, st.integers(40, 100))
@settings(max_examples=examples(60, 2000))
def test_lines_fit_and_every_character_of_a_cell_is_there(table, width):
    head, *rows = table
    lines = render_table(head, rows, width)
    assert all(text_width(line) <= width for line in lines)
    assert sorted(squeezed("".join(lines))) == sorted(squeezed("".join(cell for row in table for cell in row)))


@given(TABLES)
@settings(max_examples=examples(50, 500))
def test_a_table_that_has_room_is_as_without_a_limit(table):
    head, *rows = table
    lines = render_table(head, rows, 10_000)
    assert len(lines) == len(table)
    natural = sum(max(text_width(row[i]) for row in table) for i in range(len(head))) + 2 * (len(head) - 1)
    assert render_table(head, rows, max(natural, 1)) == lines


@given(st.text("abc d_\n", max_size=80), st.integers(10, 40))
@settings(max_examples=examples(100, 1000))
def test_fitted_text_fits_but_for_words_and_loses_nothing(text, width):
    fitted = fit_text(text, width)
    longest = max((len(word) for word in text.split()), default=0)
    assert all(text_width(line) <= max(width, width // 2 + longest + 2) for line in fitted.split("\n"))
    assert fitted.split() == text.split()
    assert fit_text(text, 200) == fit_text(text, None) == text


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("  ~ view   spend  breaking", "  ~ view   spend\n    breaking"),
        ("at /a/long/path/of/a/file now", "at\n  /a/long/path/of/a/file\n  now"),
        ("\x1b[31m1234567\x1b[0m 1234567 1234", "\x1b[31m1234567\x1b[0m 1234567\n  1234"),
        ("short\n\n  short", "short\n\n  short"),
    ],
)
def test_a_line_goes_on_further_right_and_no_path_is_broken(text, fitted):
    assert fit_text(text, 18) == fitted


@given(st.text("ab日é ", max_size=40), st.integers(4, 30))
def test_a_cut_text_fits(text, width):
    assert text_width(cut_text(text, width)) <= width


def test_a_last_column_is_cut_and_left_out_where_there_is_no_room_for_it():
    rows = [["a_long_name_of_a_view", "a description that is quite long"]]
    cut = NarrowForm(last="cut")
    assert render_table(["view", "description"], rows, 45, narrow=cut)[1].endswith("a description that...")
    left = ["view", "a_long_name_of_a_view", "(left out to fit: description)"]
    assert render_table(["view", "description"], rows, 30, narrow=cut) == left


def test_columns_are_left_out_in_order_until_others_fit_and_named():
    head, rows = ["view", "last event", "age", "computed"], [["spend", "01-12 19:00", "7 d 5 h", "01-20 00:00"]]
    narrow = NarrowForm(left_out=("computed", "last event"))
    assert render_table(head, rows, 46, narrow=narrow) == render_table(head, rows, 400)
    without = ["view   last event   age", "spend  01-12 19:00  7 d 5 h", "(left out to fit: computed)"]
    assert render_table(head, rows, 38, narrow=narrow) == without
    assert render_table(head, rows, 25, narrow=narrow)[:2] == ["view   age", "spend  7 d 5 h"]
    failed = [["visits", "-", "-", "gone"]]
    assert render_table([*head, "rows"], [*([*row, "1"] for row in rows), *failed], 38, narrow=narrow)[2:] == [
        "visits  -            -        gone",
        "(left out to fit: computed)",
    ]


def test_a_cause_that_has_no_room_beside_its_row_stands_below_it():
    head, rows = ["view", "state", "cause"], [["spend", "STALE", "nothing new for a day"], ["visits", "OK", ""]]
    narrow = NarrowForm(last="below")
    assert render_table(head, rows, 80, narrow=narrow)[1] == "spend   STALE  nothing new for a day"
    below = ["view    state", "spend   STALE", "    nothing new for a day", "visits  OK"]
    assert render_table(head, rows, 26, narrow=narrow) == below


def test_what_stands_beyond_a_row_has_its_own_lines_without_room():
    lines = render_table(["view", "state"], [["spend", "ERROR", "the table of the view is not there any more"]], 30)
    assert lines == ["view   state", "spend  ERROR", "    the table of the view is", "    not there any more"]


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("x", None), ("0", None), ("", None)])
def test_columns_of_the_environment_are_the_width_in_a_pipe(monkeypatch, columns, width):
    monkeypatch.setenv("COLUMNS", columns)
    assert screen_width() == width
