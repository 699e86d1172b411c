"""What a command line names of a repository: views, models, sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from featurectl.core.kinds import ObjectKind
from featurectl.language.commands.read import ReadCommand, Word, WrongCommandError, read_command

_KIND_OF_ARGUMENT: Final[Mapping[str, ObjectKind]] = {
    "VIEW": "feature_view", "VIEWS": "feature_view", "MODEL": "model", "SOURCE": "source", "SOURCES": "source",
}  # fmt: skip
_VERSION: Final = "@"


def named_words(command: ReadCommand) -> list[tuple[ObjectKind, Word]]:
    """Return the words of a command that are names of objects, each with its kind; without a version behind @."""
    found = []
    for argument, word in command.arguments:
        if kind := _KIND_OF_ARGUMENT.get(argument.name):
            name = word.text.partition(_VERSION)[0]
            found.append((kind, Word(name, word.start, word.end)))
    return found


def named_objects(text: str) -> list[tuple[ObjectKind, str]]:
    """Return the objects that a command line names; of one that is none, nothing: a registry may be older.

    >>> named_objects("score late_arrival@3 --out scores/"), named_objects("materialize --no-online")
    ([('model', 'late_arrival')], [])
    """
    try:
        command = read_command(text)
    except WrongCommandError:
        return []
    return [(kind, word.text) for kind, word in named_words(command)]
