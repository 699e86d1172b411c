"""What a page says is not there yet is not there: such a sentence grows old without anybody touching it."""

from __future__ import annotations

import re

import pytest
import typer

from featurectl.cli.all_commands import build_app
from tests.docs.pages import DOCS, ROOT, name_of
from tests.docs.test_reference import generate

PAGES = sorted([ROOT / "README.md", *DOCS.rglob("*.md")])
COMMANDS = {name for name, _ in generate.commands(typer.main.get_command(build_app()))}
NOT_YET = re.compile(
    r"not (?:in|of|part of|run in) this version|(?:come|comes) with a later version|a later version|does not run yet"
    r"|does not exist yet|no command yet|until this version|until a later|gets a command|not yet "
    r"(?:there|possible|done)"
    r"|nothing \w+ \w+ yet|no \w+ says it yet",
    re.IGNORECASE,
)
PROMISES = re.compile(r"until (?:this|a later) version|gets a command", re.IGNORECASE)


def not_yet(text: str) -> list[str]:
    """Return the paragraphs of a page, without its shown output, that say what is not there yet."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [part for part in re.split(r"\n\s*\n|\n(?=- )", prose) if NOT_YET.search(" ".join(part.split()))]


def claims(paragraph: str) -> set[str]:
    """Return the commands that exist and stand in the sentences that say what does not."""
    sentences = re.split(r"(?<=[.:;])\s", " ".join(paragraph.split()))
    words = {word for one in sentences if NOT_YET.search(one) for word in re.findall(r"`([^`]+)`", one)}
    return {word for word in words if word.removeprefix("featurectl ") in COMMANDS - {"validate", "apply"}}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_command_that_exists_is_said_to_be_missing(page):
    found = not_yet(page.read_text())
    assert [claims(part) for part in found if claims(part)] == []
    assert [part for part in found if PROMISES.search(part)] == []


def test_a_sentence_that_has_grown_old_is_found():
    old = "Streams are part of these rules but not of this version, nor are the commands `stream` and `verify`.\n"
    assert [claims(part) for part in not_yet(old)] == [{"verify"}]
    old = "use it by its number,\nuntil this version of featurectl gets a command that promotes it.\n"
    assert [bool(PROMISES.search(" ".join(part.split()))) for part in not_yet(old)] == [True]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_module_that_a_page_runs_is_there(page):
    for name in re.findall(r"python -m (benchmarks[.\w]*)", page.read_text()):
        path = ROOT / name.rstrip(".").replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), name
