"""What files, tables and people say stands in Markdown as it is: no link, no picture, no mention, no other table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from featurectl.cli.render.github import cell, draw_table
from featurectl.core.markdown import code, paragraph, prose
from featurectl.language.definitions.about import About
from featurectl.render.plan import render_plan_markdown
from tests.definitions import ARRIVALS, CARRIER
from tests.plan.states import plan_of, repo_of, state_of

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NO_ROOM = "\u200b"
HOSTILE = [
    "[all is well](http://evil.example)", "![](https://evil.example/x.png)", "@acme/security please approve",
    "a | b | c",
    "a\\|b", "a\\", "`", "``x`` `", "<img src=x onerror=alert(1)>", "<!-- gone", "</code>", "&lt;b&gt;",
    "**bold** _it_ ~~no~~",
    "\n\n# heading\n\n- item", "| x |\n|---|\n| y |", "#123 and acme/shop#7", "www.evil.example", "<http://evil.example>",
    "$x$", "```\ncode\n```", "  ", "ana@example.com", "\r\n> quote", "1. one", "a\u2028b", "[x]: http://evil.example",
]  # fmt: skip
PIECES = st.sampled_from([*"`|\\[]()<>*_~#@!&;:/.-+=$ \n", "a", "7", "www", "http", "<br>", "&#124;", "@ops", *HOSTILE])
TEXTS = st.lists(PIECES, max_size=12).map("".join)
SPOKEN = {"text", "code_inline", "text_special", "softbreak"}


def leaves(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield from leaves(token.children) if token.children else [token]


def read_cells(table: str) -> list[Token]:
    """Return the cells of the one table that a document is, as a reader of Markdown sees it."""
    tokens = READER.parse(table)
    assert [t.type for t in tokens if t.level == 0] == ["table_open", "table_close"]
    return [t for t in tokens if t.type == "inline"]


def spoken(inline: Token) -> str:
    """Return the text of a cell; it is made of nothing else, but for the element of code."""
    found = list(leaves(inline.children or []))
    assert {t.type for t in found} <= SPOKEN | {"html_inline"}
    assert [t.content for t in found if t.type == "html_inline"] in ([], ["<code>", "</code>"])
    return "".join(t.content for t in found if t.type != "html_inline").replace(NO_ROOM, "")


def flat(text: str) -> str:
    return " ".join(" ".join(text.splitlines()).split())


def check(text: str) -> None:
    document = draw_table(("a", "b", "c"), [("x", cell(text), "y"), ("x", code(text), "y")])
    found = read_cells(document)
    assert [spoken(f) for f in found[:3]] == ["a", "b", "c"]
    assert len(found) == 9
    assert flat(spoken(found[4])) == flat(spoken(found[7])) == flat(text)
    raw = found[4].content
    assert not re.search(r"(?<!\w)@\w|(?<!&)#\d|://|www\.", raw, re.IGNORECASE)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_a_cell_that_shows_it(text):
    check(text)
    [opened, inline, closed] = READER.parse(paragraph(text) or "empty")
    assert (opened.type, closed.type) == ("paragraph_open", "paragraph_close")
    assert flat(spoken(inline)) == (flat(text) or "empty")


@settings(max_examples=60, derandomize=True)
@given(TEXTS)
def test_any_text_is_a_cell_that_shows_it(text):
    check(text)


@pytest.mark.stress
@settings(max_examples=20_000)
@given(TEXTS)
def test_twenty_thousand_texts_are_cells_that_show_them(text):
    check(text)


def test_what_every_reader_knows_stays_readable():
    assert prose("late_rate_1d of delays@2 is 5 (was 7); expr: a - b, 10%") == (
        "late_rate_1d of delays@2 is 5 (was 7); expr: a - b, 10%"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_description_calls_nobody_in_a_comment_on_a_pull_request(text):
    source = replace(ARRIVALS, about=About(description=text, owner=text, tags=(text,)))
    plan = plan_of(repo_of(CARRIER, source), state_of(CARRIER, ARRIVALS))
    document = render_plan_markdown(plan.to_json())
    table = document.split("\n\n", 2)[2]
    *_, why = read_cells(table)
    told = [t for t in leaves(why.children or []) if t.type != "code_inline"]
    tags = [t.content for t in told if t.type == "html_inline"]
    assert set(tags) <= {"<br>", "<code>", "</code>"}
    outside = re.sub(r"<code>.*?</code>", "", "".join(t.content for t in told))
    assert re.fullmatch(r"(: |- | ?-> |-|<br>)*", outside), outside
