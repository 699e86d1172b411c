"""Results as JUnit XML, the form that CI systems read.

Source: junit-10.xsd of Jenkins' xUnit plugin, the strictest of the schemas in use.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from xml.etree import ElementTree as ET

from featurectl.cli.render.excerpt import draw_problem
from featurectl.core.version import __version__
from featurectl.render.paint import Paint
from featurectl.render.visible import in_one_line

if TYPE_CHECKING:
    from featurectl.cli.render.files import Files
    from featurectl.language.problems.codes import Problem

_NOT_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN: Final = Paint(on=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a case did not pass: `failure` when something is not as it should be, `error` when it could not be run."""

    kind: Literal["failure", "error"]
    type: str
    message: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case; it passed when there is no trouble. `out` is what else there is to say."""

    group: str
    name: str
    trouble: Trouble | None = None
    seconds: float | None = None
    out: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Cases that belong together; `file` is where all of them stand, when it is one."""

    name: str
    cases: Sequence[Case]
    seconds: float | None = None
    file: str = ""

    def count(self, kind: Literal["failure", "error"]) -> int:
        """Return how many cases have a trouble of a kind."""
        return sum(case.trouble is not None and case.trouble.kind == kind for case in self.cases)


def draw_junit(name: str, suites: Sequence[Suite], seconds: float | None = None) -> str:
    r"""Return the document; what XML can't hold stands in it as an escape like \x1b. The text is ASCII."""
    counts = {
        "tests": str(sum(len(suite.cases) for suite in suites)),
        "failures": str(sum(suite.count("failure") for suite in suites)),
        "errors": str(sum(suite.count("error") for suite in suites)),
    }
    top = ET.Element("testsuites", {"name": _clean(name), **counts, **_time(seconds)})
    for suite in suites:
        top.append(_suite(suite))
    ET.indent(top)
    body = ET.tostring(top, encoding="us-ascii", xml_declaration=False).decode()
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(suite: Suite) -> ET.Element:
    made = ET.Element(
        "testsuite",
        {
            "name": _clean(suite.name),
            "tests": str(len(suite.cases)),
            "failures": str(suite.count("failure")),
            "errors": str(suite.count("error")),
            "skipped": "0",
            **_time(suite.seconds),
            **({"file": _clean(suite.file)} if suite.file else {}),
        },
    )
    properties = ET.SubElement(made, "properties")
    ET.SubElement(properties, "property", {"name": "featurectl", "value": __version__})
    for case in suite.cases:
        made.append(_case(case))
    return made


def _case(case: Case) -> ET.Element:
    made = ET.Element("testcase", {"classname": _clean(case.group), "name": _clean(case.name), **_time(case.seconds)})
    if case.trouble is not None:
        attributes = {"message": _clean(case.trouble.message), "type": _clean(case.trouble.type)}
        ET.SubElement(made, case.trouble.kind, attributes).text = _clean(case.trouble.text)
    if case.out:
        ET.SubElement(made, "system-out").text = _clean(case.out)
    return made


def _time(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"time": f"{seconds:.3f}"}


def _clean(text: str) -> str:
    r"""Return a text with escapes in place of the characters that XML can't hold.

    >>> _clean("a\x00b\x1b")
    'a\\x00b\\x1b'
    """
    return _NOT_XML.sub(lambda found: found[0].encode("unicode_escape").decode(), text.replace("\r\n", "\n"))


def draw_files(problems: Sequence[Problem], files: Files, seconds: float | None = None) -> str:
    """Return a document with a case for each file of a repository: it fails when the file has an error.

    Warnings and notes stand in the case's output.
    """
    found: dict[str, list[Problem]] = {path: [] for path in files.paths()}
    for problem in problems:
        found.setdefault(problem.place.path, []).append(problem)
    cases = [_file_case(path, found[path], files) for path in sorted(found)]
    suite = Suite(name="featurectl validate", cases=cases, seconds=seconds)
    return draw_junit("featurectl validate", [suite], seconds)


def _file_case(path: str, problems: Sequence[Problem], files: Files) -> Case:
    errors = [problem for problem in problems if problem.severity == "error"]
    others = [problem for problem in problems if problem.severity != "error"]
    trouble = None
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        codes = " ".join(dict.fromkeys(problem.code for problem in errors))
        message = f"{errors[0].message}{more}"
        trouble = Trouble(kind="failure", type=codes, message=message, text=_drawn(errors, files))
    return Case(group="featurectl.validate", name=files.shown(path), trouble=trouble, out=_drawn(others, files))


def _drawn(problems: Sequence[Problem], files: Files) -> str:
    return "\n\n".join(
        draw_problem(p, files.lines(p.place), lambda path: in_one_line(files.shown(path)), _PLAIN) for p in problems
    )
