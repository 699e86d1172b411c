"""What JUnit XML may hold, by hand after junit-10.xsd of Jenkins' xUnit plugin."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

TIME = r"\d+\.\d{3}"
COUNT = r"\d+"
# element -> (attributes that it must have, those that it may have, elements that it may hold)
ELEMENTS = {
    "testsuites": ({"name", "tests", "failures", "errors"}, {"time"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"skipped", "time", "file", "timestamp", "hostname", "id", "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name", "classname"}, {"time"}, {"failure", "error", "skipped", "system-out", "system-err"}),
    "failure": ({"message", "type"}, set(), set()),
    "error": ({"message", "type"}, set(), set()),
    "system-out": (set(), set(), set()),
}
VALUES = {"time": TIME, "tests": COUNT, "failures": COUNT, "errors": COUNT, "skipped": COUNT}


def read_junit(text: str) -> ET.Element:
    """Parse a document and check it: elements, attributes, values, and that the counts are true."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    assert text.isascii()
    top = ET.fromstring(text)  # noqa: S314  # our own document
    assert top.tag == "testsuites"
    check(top)
    for suite in (top, *top.iter("testsuite")):
        cases = list(suite.iter("testcase"))
        assert int(suite.attrib["tests"]) == len(cases)
        assert int(suite.attrib["failures"]) == sum(case.find("failure") is not None for case in cases)
        assert int(suite.attrib["errors"]) == sum(case.find("error") is not None for case in cases)
    names = [(case.get("classname"), case.get("name")) for case in top.iter("testcase")]
    assert len(names) == len(set(names)), "a reader that knows cases by their names would lose one"
    return top


def check(element: ET.Element) -> None:
    must, may, holds = ELEMENTS[element.tag]
    found = set(element.attrib)
    assert must <= found <= must | may, element.tag
    for name, value in element.attrib.items():
        assert re.fullmatch(VALUES.get(name, r"(?s).+"), value), (element.tag, name, value)
    assert {child.tag for child in element} <= holds, element.tag
    if element.tag in {"testsuites", "testsuite", "properties", "testcase"}:
        assert not (element.text or "").strip()
    for child in element:
        check(child)
