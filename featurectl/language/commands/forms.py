"""Which commands there are, with their arguments and options: a table that is made of the real command line.

`python docs/generate.py` writes `table.json` from the command tree, and a test fails where it is not the tree's. So a
file is checked without the command line, which lies above the language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

ValueType = Literal["text", "int", "float"]
TABLE: Final = "table.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionForm:
    """An option by its first flag; `value` is the type of what follows it, None: nothing does.

    Empty `choices`: any value; `least`: no number is less; `most`: none is more.
    """

    flag: str
    value: ValueType | None
    required: bool
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentForm:
    """An argument: `many` takes all that are left."""

    name: str
    value: ValueType
    required: bool
    many: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandForm:
    """A command: its arguments in order, its options by each of their flags."""

    name: str
    arguments: tuple[ArgumentForm, ...]
    options: Mapping[str, OptionForm]


@cache
def command_forms() -> Mapping[str, CommandForm]:
    """Return every command by its whole name, in the order of the help."""
    table = json.loads(files(__package__).joinpath(TABLE).read_text("utf-8"))
    return {name: _form(name, entry) for name, entry in table.items()}


def _form(name: str, entry: Mapping[str, list[dict[str, object]]]) -> CommandForm:
    options = {}
    for item in entry["options"]:
        flags = item.pop("flags")
        assert isinstance(flags, list)
        item["choices"] = tuple(item.get("choices", ()))  # type: ignore[arg-type]  # the table is ours
        option = OptionForm(flag=flags[0], **item)  # type: ignore[arg-type]  # the table is ours
        options.update(dict.fromkeys(flags, option))
    arguments = tuple(ArgumentForm(**item) for item in entry["arguments"])  # type: ignore[arg-type]
    return CommandForm(name=name, arguments=arguments, options=options)
