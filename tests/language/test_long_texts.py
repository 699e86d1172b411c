"""Long texts: the longest that the language reads take no time that anybody notices, whatever is in them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from featurectl.cli.main import main
from featurectl.core.dtypes import parse_dtype
from featurectl.core.secrets import address_secrets, hide
from featurectl.core.variables import bad_variable, has_password, hide_passwords, shown_location
from featurectl.identity.facts.sources import plain_query
from featurectl.language.syntax.reader import MAX_LONG_TEXT, MAX_TEXT
from tests.language.repository import BASE, load, write_repo

# What a search begins with, again and again, and what it then looks for in vain.
PIECES = (
    " ", "a", "a ", "1", ".", "?", "[", "(", "://", "://a:", "x://a:b ", "${", "${A:-", "?pwd=", "/*", "--", "'", '"',
    "''",
    "\"'", "/**", ":since", "&a=", ";", "@", "x@", "\t\n", "list(", "decimal(", "<Message>", "#", "0", "e+",
)  # fmt: skip
GROWTH = """
import importlib, inspect, pkgutil, re, sys, time
import featurectl

size, pieces = int(sys.argv[1]), sys.argv[2:]
# A pattern of a module's own that it never searches for is used from the beginning of a text alone.
SEARCHES = ("search", "sub", "subn", "finditer", "findall", "split")

def is_searched(module, name):
    source = inspect.getsource(module)
    return not name.startswith("_") or re.search(rf"(?<!\\w){name}\\.({'|'.join(SEARCHES)})\\b", source)

for info in pkgutil.walk_packages(featurectl.__path__, "featurectl."):
    if info.name.endswith("__main__") or ".migrations." in info.name:
        continue
    module = importlib.import_module(info.name)
    for name, pattern in vars(module).items():
        if isinstance(pattern, re.Pattern) and isinstance(pattern.pattern, str):
            searched = is_searched(module, name)
            begin = time.process_time()
            for piece in pieces:
                text = (piece * size)[:size]
                for whole in (text, f"list( {text}", f"a{text}!"):
                    pattern.fullmatch(whole)
                    if searched:
                        pattern.sub("", whole)
                if time.process_time() - begin > 10:
                    sys.exit(f"{info.name} {name} with {piece!r}")
"""


@pytest.mark.stress
def test_no_pattern_of_the_package_takes_time_that_grows_with_a_power():
    """Of 20,000 characters a pattern of quadratic time takes seconds for a piece, any other milliseconds for all."""
    command = [sys.executable, "-c", GROWTH, "20000", *PIECES]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize("piece", PIECES)
def test_addresses_and_queries_of_any_length_are_looked_at_at_once(piece):
    text = piece * (MAX_LONG_TEXT // len(piece))
    for look in (plain_query, parse_dtype, has_password, shown_location, hide_passwords, bad_variable, address_secrets):
        look(text)
    hide(text, address_secrets(f"x://a:{piece * 50}@h"))


def test_lists_of_lists_are_no_type_however_deep():
    assert parse_dtype("list(" * 2_000 + "int64" + ")" * 2_000) is None
    assert parse_dtype("list( \n int64 )") == "list(int64)"


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("sources:\n  - {name: s, sql: {url: sqlite:///x.db, query: 'LONG'}, event_time: at}\n", MAX_LONG_TEXT),
        ("sources:\n  - {name: s, sql: {url: 'LONG', query: select 1}, event_time: at}\n", MAX_TEXT),
        ("entities:\n  - {name: e, keys: {LONG: string}}\n", MAX_TEXT),
        ("LONG:\n  - {}\nmodels: []\n", MAX_TEXT),
    ],
)
def test_a_text_has_a_greatest_length(tmp_path, text, most):
    repo = load(tmp_path, {"base.yaml": BASE, "x.yaml": text.replace("LONG", "x" * (most + 1))})
    (problem,) = [problem for problem in repo.errors if problem.code == "FC109"]
    assert problem.message == f"a text of {most + 1:,} characters; at most {most:,} are read here"
    repo = load(tmp_path / "fits", {"base.yaml": BASE, "x.yaml": text.replace("LONG", "x" * most)})
    assert [problem for problem in repo.errors if problem.code == "FC109"] == []


def test_a_line_of_many_addresses_is_drawn_at_once(tmp_path, capsys):
    line = "# " + "://a:${A:-" * 450_000 + "@"
    write_repo(tmp_path, {"x.yaml": f"entities: [{{name: e, kees: {{}}}}] {line}\n"})
    assert main(["validate", "-C", str(tmp_path)]) == 1
    assert "FC102" in capsys.readouterr().err
