"""Lines of NDJSON files without Polars: which of them is no JSON object."""

from __future__ import annotations

import csv
import json
from math import isinf
from pathlib import Path
from typing import Final, NoReturn

from featurectl.sources.csv_lines import AS_UTF8, WrongLine, csv_lines

_HINT: Final = "write one JSON object a line"
_KINDS: Final = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def find_wrong_object(file: Path) -> WrongLine | None:
    """Return the first line of a file that is no JSON object, or has other bytes than UTF-8; None: none is found."""
    number = 0
    try:
        for number, line in enumerate(csv_lines(file, "strict"), 1):
            if what := _wrong(line):
                return WrongLine(number=number, what=what, hint=_HINT)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return WrongLine(number=number + 1, what=f"is not UTF-8: byte 0x{byte:02X}", hint=AS_UTF8)
    except (OSError, csv.Error):  # who reads it reports why
        return None
    return None


def _wrong(line: str) -> str:
    """Return what is wrong with a line, "" where nothing is, or it is blank.

    >>> _wrong('{"a": }'), _wrong("[1]"), _wrong('{"a": NaN}')
    ('is no JSON: expecting value, at character 7', 'is a list and no object', 'is no JSON: NaN is no number of it')
    """
    if not line.strip():
        return ""
    try:
        found = json.loads(line, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        said = f"{error.msg[0].lower()}{error.msg[1:].removesuffix(' at')}"
        return f"is no JSON: {said}, at character {error.pos + 1}"
    except ValueError as error:
        return f"is no JSON: {error}"
    except RecursionError:
        return "is nested too deeply"
    return "" if isinstance(found, dict) else f"is {_KINDS.get(type(found), 'a number')} and no object"


def _finite(text: str) -> float:
    if isinf(number := float(text)):
        raise ValueError(f"{text} is beyond the range of a float")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of it")
