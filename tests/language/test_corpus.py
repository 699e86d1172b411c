"""Each folder of the corpus is refused with the problems that its `expected.toml` lists: in order, place by place."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from unicodedata import combining, east_asian_width

import pytest

from featurectl.cli.main import main
from featurectl.core.variables import hide_passwords
from featurectl.language.problems.codes import CODES
from tests.language.corpus import Expected, folders, lay_out, read_case

FOLDERS = folders()
NOT_RUN = "FC402"  # says what this version leaves out, not what is wrong with a repository
# Codes that can't be had three times, with the reason; the README of the corpus says it at length.
FEWER = {"FC006": "it takes ten thousand problems: tests/language/test_fuzz.py has it"}


@pytest.mark.sample(110)
@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_a_broken_repository_is_told_as_expected_and_drawn_at_its_places(folder, tmp_path, capsys, monkeypatch):
    case = read_case(folder)
    lay_out(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    code = main([*case.args, "-o", "json"])
    document = json.loads(capsys.readouterr().out)
    found = [problem for problem in document["problems"] if problem["code"] != NOT_RUN]
    assert [_seen(problem) for problem in found] == [_wanted(problem) for problem in case.problems]
    for problem, wanted in zip(found, case.problems, strict=True):
        _same_words(problem, wanted)
        if wanted.end_column is not None:
            assert problem["end_column"] == wanted.end_column
            line = _lines(tmp_path / wanted.path)[wanted.line - 1]
            assert line[wanted.column - 1 : wanted.end_column - 1] == wanted.text
    errors = any(problem.severity == "error" for problem in case.problems)
    assert (code, document["exit_code"], document["ok"]) == (int(errors), int(errors), not errors)
    main([*case.args, "-v"])
    blocks = capsys.readouterr().err.split("\n\n")
    for problem in case.problems:
        _is_drawn(problem, blocks, _lines(tmp_path / problem.path))


def test_there_are_at_least_sixty_repositories_and_three_for_each_code():
    counts = Counter(case.code for case in map(read_case, FOLDERS) if case.code)
    wanted = [code for code in CODES if code < "FC400"]
    assert len(FOLDERS) >= 60
    assert {code: counts[code] for code in wanted if counts[code] < 3} == {code: counts[code] for code in FEWER}
    assert set(counts) <= set(wanted)


def test_a_folder_of_a_code_expects_that_code():
    for found in map(read_case, FOLDERS):
        assert found.problems
        assert not found.code or found.code in {problem.code for problem in found.problems}
        assert list(found.problems) == sorted(found.problems, key=lambda p: (p.path, p.line, p.column))


def _seen(problem: dict) -> tuple:
    related = tuple((place["path"], place["line"], place["column"]) for place in problem["related"])
    keys = ("code", "severity", "path", "line", "column", "suggestion")
    return (*(problem[key] for key in keys), related)


def _wanted(problem: Expected) -> tuple:
    place = (problem.path, problem.line, problem.column)
    return (problem.code, problem.severity, *place, problem.suggestion, problem.related)


def _same_words(problem: dict, wanted: Expected) -> None:
    for part in wanted.message:
        assert part in " ".join([problem["message"], *problem["notes"]])
    assert wanted.notes in "\n".join(problem["notes"])
    for place, word in zip(problem["related"], wanted.related_words, strict=True):
        assert word in place["message"]


def _lines(path: Path) -> list[str]:
    """Return the lines of a file as an editor numbers them; a byte order mark is none of its characters."""
    if not path.is_file():
        return []
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _is_drawn(problem: Expected, blocks: list[str], lines: list[str]) -> None:
    place = ":".join(str(part) for part in (problem.path, problem.line, problem.column) if part)
    head = f"{place}: {problem.severity}[{problem.code}]: "
    drawn = [block for block in blocks if block.startswith(head) and all(part in block for part in problem.message)]
    assert drawn, head
    _caret_is_right(drawn[0].splitlines(), problem, lines)


def _caret_is_right(drawn: list[str], problem: Expected, lines: list[str]) -> None:
    """Assert that the characters above the carets are those of the place, whatever their width on a terminal."""
    carets = next((n for n, line in enumerate(drawn) if re.match(r" *\| +\^", line)), None)
    if not lines or not problem.column:
        assert carets is None
        return
    assert carets is not None, drawn
    begin, end = re.search(r"\^+", drawn[carets]).span()  # type: ignore[union-attr]
    gutter = len(str(problem.line)) + len(" | ")
    shown = _between(drawn[carets - 1][gutter:], begin - gutter, end - gutter)
    if problem.text:
        assert shown == _printable(hide_passwords(problem.text))
    else:
        assert shown.startswith(_printable(lines[problem.line - 1][problem.column - 1 : problem.column]).rstrip())
    assert drawn[carets].endswith(f"^ {problem.suggestion}".rstrip())


def _between(text: str, begin: int, end: int) -> str:
    """Return the characters of a line that a terminal draws from one column to another."""
    found, column = "", 0
    for char in text:
        if begin <= column < end:
            found += char
        column += 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
    return found


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
