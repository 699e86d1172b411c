"""Python as ruff formats it, for files that are Python."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

_LONGEST: Final = 90  # of a list, behind the name of an argument
_LINE: Final = "\n"
_UNITS: Final = ((86_400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))
_MICROSECONDS: Final = 1_000_000


def quoted(text: str) -> str:
    """Return text as a literal of Python.

    >>> print(quoted('a "b"'), quoted("a's"), quoted("a b"))
    'a "b"' "a's" "a b"
    """
    if '"' in text and "'" not in text and "\\" not in text and text.isprintable():
        return f"'{text}'"
    return f'"{"".join(map(_letter, text))}"'


def _letter(letter: str) -> str:
    """Return a letter of a literal between double quotes."""
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode()


def listed(items: Iterable[str]) -> str:
    """Return expressions as a list on a line, or on several where they would be too long for one."""
    expressions = list(items)
    text = f"[{', '.join(expressions)}]"
    if len(text) <= _LONGEST:
        return text
    return "".join(["[\n", *(f"    {expression},\n" for expression in expressions), "]"])


def mapping(items: Mapping[str, str]) -> str:
    """Return expressions by the texts that name them as a dictionary, a line for each."""
    return "".join(["{\n", *(f"    {quoted(key)}: {value},\n" for key, value in items.items()), "}"])


def one_or_list(items: Sequence[str]) -> str:
    """Return an expression alone, or several as a list."""
    return items[0] if len(items) == 1 else listed(items)


def call(name: str, arguments: Sequence[str], indent: str = "") -> str:
    """Return a call, each of its arguments on lines of its own."""
    inner = f"{indent}    "
    lines = (f"{inner}{argument.replace(_LINE, _LINE + inner)},\n" for argument in arguments)
    return f"{name}(\n{''.join(lines)}{indent})"


def identifier(name: str, taken: Collection[str] = ()) -> str:
    """Return a name of Python for one of ours, which is no word of the language and none that is taken.

    >>> identifier("score"), identifier("import"), identifier("by-hand"), identifier("dag", ("dag",))
    ('score', 'import_', 'by_hand', 'dag_')
    """
    found = name.replace("-", "_")
    while keyword.iskeyword(found) or found in taken:
        found += "_"
    return found


def timedelta_text(microseconds: int) -> str:
    """Return a length of time as a timedelta, in the largest unit that divides it.

    >>> timedelta_text(7_200_000_000), timedelta_text(90_000_000), timedelta_text(1_500_000)
    ('timedelta(hours=2)', 'timedelta(seconds=90)', 'timedelta(seconds=1.5)')
    """
    seconds = microseconds / _MICROSECONDS
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds % size == 0), _UNITS[-1])
    return f"timedelta({unit}={seconds / size:g})"


def docstring(text: str) -> str:
    """Return paragraphs as the documentation of a module: what would end it or be read as an escape is escaped."""
    escaped = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped}\n"""\n'
