"""Problems as SARIF 2.1.0, the form that code scanning reads.

Source: OASIS SARIF 2.1.0, and the properties that GitHub's code scanning asks for beyond it: `help`, whole regions,
`partialFingerprints`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from featurectl.cli.render.files import Files
from featurectl.cli.render.line_hash import line_hashes
from featurectl.core.version import __version__
from featurectl.language.problems.codes import CODES, severity_of

if TYPE_CHECKING:
    from featurectl.language.problems.codes import Problem
    from featurectl.language.syntax.place import Place

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_TOP: Final = "%SRCROOT%"
_LINK: Final = re.compile(r"\[(?=[^\[\]]*\]\()")  # the bracket of what would be read as a link


def draw_sarif(problems: Sequence[Problem], files: Files) -> str:
    """Return one SARIF log of one run, with the rules of the codes that occur; paths begin at the top of the checkout.

    A fingerprint does not move with the lines above its place. The text is ASCII, whatever the names in it.
    """
    codes = sorted({problem.code for problem in problems})
    hashes: dict[str, list[str]] = {}
    for path in {problem.place.path for problem in problems}:
        hashes[path] = line_hashes(files.text(path))
    run = {
        "tool": {"driver": {"name": "featurectl", "version": __version__, "rules": [_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_TOP: {"description": {"text": "The top of the checkout."}}},
        "results": [_result(p, files, hashes[p.place.path]) | {"ruleIndex": codes.index(p.code)} for p in problems],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(problem: Problem, files: Files, hashes: Sequence[str]) -> dict[str, object]:
    line = min(max(problem.place.line, 1), len(hashes))
    result: dict[str, object] = {
        "ruleId": problem.code,
        "level": problem.severity,
        "message": {"text": _message(problem)},
        "locations": [_location(problem.place, files)],
        "partialFingerprints": {"primaryLocationLineHash": hashes[line - 1]},
    }
    if problem.related:
        result["relatedLocations"] = [
            _location(place, files) | {"id": number, "message": {"text": word}}
            for number, (place, word) in enumerate(problem.related, start=1)
        ]
    return result


def _rule(name: str) -> dict[str, object]:
    code = CODES[name]
    return {
        "id": name,
        "shortDescription": {"text": code.title},
        "fullDescription": {"text": code.text},
        "help": {"text": code.text, "markdown": code.text},
        "defaultConfiguration": {"level": severity_of(name)},
    }


def _message(problem: Problem) -> str:
    """Return what was found, the way out, what is allowed, and a link to each other place, a line each.

    Braces stand as they are: the format would have them doubled, and readers show them so.
    """
    lines = [problem.message, *filter(None, [problem.suggestion]), *problem.notes]
    links = [f"[{_escaped(word)}]({number})" for number, (_, word) in enumerate(problem.related, start=1)]
    return "\n".join([*(_LINK.sub(r"\\[", line) for line in lines), *links])


def _escaped(text: str) -> str:
    return re.sub(r"([\\\[\]])", r"\\\1", text)


def _location(place: Place, files: Files) -> dict[str, object]:
    uri = quote(os.fsencode(files.in_checkout(place.path)))
    region = _region(place, files)
    return {"physicalLocation": {"artifactLocation": {"uri": uri, "uriBaseId": _TOP}, "region": region}}


def _region(place: Place, files: Files) -> dict[str, int]:
    """Return the characters of a place, the whole line when it has no column; the file's begin when it has no line."""
    lines = files.lines(place)
    end = len(lines[place.line - 1]) + 1 if 0 < place.line <= len(lines) else 1
    return {
        "startLine": max(place.line, 1),
        "startColumn": max(place.column, 1),
        "endLine": max(place.line, 1),
        "endColumn": max(place.end_column, place.column, 1) if place.column else end,
    }
