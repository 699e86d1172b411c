"""The reference pages say what the code says."""

import ast
import importlib.util
import re

import pytest
import typer

from featurectl.cli.all_commands import build_app
from featurectl.expressions.functions import ALIASES, FUNCTIONS
from featurectl.language.problems.codes import CODES
from tests.docs.pages import DOCS, ROOT

spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
assert spec is not None
assert spec.loader is not None
generate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", sorted(generate.pages()))
def test_a_generated_page_is_up_to_date(name):
    assert (DOCS / "reference" / name).read_text() == generate.pages()[name], "make docs"


def test_every_command_stands_in_the_reference():
    text = (DOCS / "reference" / "cli.md").read_text()
    names = [name for name, _ in generate.commands(typer.main.get_command(build_app()))]
    assert [name for name in names if f"\n## `featurectl {name}`\n" not in text] == []
    assert len(names) >= 18


def test_every_code_stands_in_the_reference():
    text = (DOCS / "reference" / "problems.md").read_text()
    assert [code for code in CODES if f"### {code}: " not in text] == []


def test_every_function_of_expressions_stands_in_their_page():
    code = re.findall(r"`([^`]*)`", (DOCS / "reference" / "expressions.md").read_text())
    words = set(re.findall(r"\w+", " ".join(code)))
    assert sorted({*FUNCTIONS, *ALIASES} - words) == []


# What a problem FC402 begins with -> the word of it that the page of the language has.
NOT_RUN = {
    "the engine {} is": "Engines other than `polars`",
}


def texts(tree):
    """Every text of a module, with {} for what is put in."""
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            yield node.value


def test_the_language_page_names_all_that_apply_refuses():
    page = re.sub(r"\s+", " ", (DOCS / "reference" / "language.md").read_text().split("## Read and checked")[1])
    modules = [ast.parse(file.read_text()) for file in (ROOT / "featurectl" / "language" / "resolve").glob("*.py")]
    refused = {text for tree in modules for text in texts(tree) if re.fullmatch(r"\S.* (is|are)|\S+ (is|are)", text)}
    assert refused == set(NOT_RUN)
    assert [word for word in NOT_RUN.values() if word not in page] == []
