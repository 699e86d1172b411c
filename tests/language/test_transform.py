"""The code of a transform is read, never run; what can't be read is told, and what can is told apart."""

import pytest

from featurectl.language.syntax.python_code import code_digest
from featurectl.plan.desired import desired_objects
from tests.language.repository import BASE, load

VIEW = """feature_views:
  - name: made
    entity: carrier
    source: arrivals
    transform: transforms/t.py:f
    features: [{name: y, type: float64}]
"""


def repo_of(folder, code):
    return load(folder, {"base.yaml": BASE, "made.yaml": VIEW, "transforms/t.py": code})


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(rows:\n", "'(' was never closed, line 1"),
        ("x = 1\nreturn = 2\n", "invalid syntax, line 2"),
        ("def f(rows):\n    return " + "+".join(["1"] * 20_000) + "\n", "it is nested too deeply"),
    ],
)
def test_code_that_can_not_be_read_is_told_with_its_line(tmp_path, code, reason):
    (problem,) = repo_of(tmp_path, code).errors
    assert (problem.code, problem.message) == ("FC208", f'"transforms/t.py" is not Python: {reason}')


HIDDEN = "# harmless note +AAo-import os+AAo-\ndef f(rows):\n    return rows\n"


@pytest.mark.parametrize(
    ("code", "place", "words"),
    [
        (f"# -*- coding: utf-7 -*-\n{HIDDEN}", (1, 1), "the encoding utf-7"),
        (f"\ufeff#!/usr/bin/python\n# vim: set fileencoding=utf_7 :\n{HIDDEN}", (2, 1), "the encoding utf_7"),
        (f"\f\r#coding=raw_unicode_escape\r\n{HIDDEN}", (2, 1), "the encoding raw_unicode_escape"),
        (f"# coding: nothing-known\n{HIDDEN}", (1, 1), "the encoding nothing-known"),
        (f"# a note\rimport os\n{HIDDEN}", (1, 9), "a carriage return without a newline"),
        (f"x = 'n\udcff'\n{HIDDEN}", (1, 7), "the file is not UTF-8: byte 0xff"),
    ],
)
def test_what_is_reviewed_of_code_is_what_runs(tmp_path, code, place, words):
    (tmp_path / "transforms").mkdir()
    (tmp_path / "transforms" / "t.py").write_bytes(code.encode("utf-8", "surrogateescape"))
    (problem,) = load(tmp_path, {"base.yaml": BASE, "made.yaml": VIEW}).errors
    assert (problem.code, problem.place.path) == ("FC001", "transforms/t.py")
    assert (problem.place.line, problem.place.column) == place
    assert words in problem.message


@pytest.mark.parametrize("head", ["# -*- coding: utf-8 -*-", "# coding=UTF8", "x = 1\n# coding: latin-1", "\r", ""])
def test_code_in_utf_8_is_taken_as_it_is_written(tmp_path, head):
    repo = repo_of(tmp_path, f"{head}\n{HIDDEN}")
    assert repo.errors == ()
    assert repo.views["made"].transform.text.endswith(HIDDEN)


@pytest.mark.parametrize("body", ["d" + ".a" * 1_500, "+".join(["d"] * 1_500), "0x" + "f" * 10_000])
def test_a_long_chain_and_a_long_number_have_a_fingerprint(tmp_path, body):
    repo = repo_of(tmp_path, f"def f(d):\n    return {body}\n")
    assert repo.errors == ()
    assert [item.name for item in desired_objects(repo) if item.kind == "feature_view"] == ["delays", "facts", "made"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("d.a.b", "d.b.a"),
        ("f(a, b)", "f([a, b])"),
        ("'1'", "1"),
        ("1", "1.0"),
        ("True", "1"),
        ("b'a'", "'a'"),
        ("[]", "[[]]"),
        ("0x" + "f" * 5_000, "0x" + "f" * 4_999),
        ("'[\"Name\"'", "'[Name'"),
    ],
)
def test_other_code_is_other_code(one, other):
    assert code_digest(f"x = {one}") != code_digest(f"x = {other}")
    assert code_digest(f"x = {one}") == code_digest(f"x = ({one})  # the same")
