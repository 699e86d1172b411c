"""Which parts of a text are the user's own, and stay as they are where ours is put into Python's words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from pathlib import Path, PurePath
from typing import Final

from featurectl.core.errors import FeaturectlError
from featurectl.language.texts import texts_of_files
from featurectl.render.visible import in_one_line

# Fields of results that hold sentences of ours. What else is a text there is the user's, or a name.
OUR_FIELDS: Final = frozenset({
    "allow", "blocked", "cause", "error", "failed_run", "future", "hint", "message", "missing", "note", "notes",
    "statistics_missing", "unread", "waiting", "warnings",
})  # fmt: skip
QUOTES_OTHERS: Final = frozenset({"RunRecord"})  # whose error is what was said then, with words of the user's code
TheirTexts = Callable[[], Iterable[str]]
_SIGNS: Final = ("--", "featurectl ")  # without one of them a text has no words of the command line
_CUT: Final = ("…", "...")
_QUOTED: Final = re.compile(r"(?<!\w)'.*?'(?!\w)|(?<!\w)\".*?\"(?!\w)")


class UsersTexts:
    """Texts of the user, and where they stand in a text of ours."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        spoken = {text for text in texts if any(sign in text for sign in _SIGNS)}
        self._texts = {form for text in spoken for form in (text, in_one_line(text), " ".join(text.split()))}

    def __bool__(self) -> bool:
        return bool(self._texts)

    def has(self, text: str, start: int, end: int) -> bool:
        """Return whether the words from `start` to `end` of a text are those of the user.

        So they are within quotes, and where what stands before and behind them is that of a user's text, too, up to
        its ends or those of a cell or line; it may be cut.
        """
        if any(found.start() < start < found.end() for found in _QUOTED.finditer(text)):
            return True
        words = text[start:end].split(" ")
        head = words[0] if words[0].startswith("--") else " ".join(words[:2])
        return any(
            _goes_back(text, start, own, place) and _goes_on(text, start, end, own, place)
            for own in self._texts
            for place in _places(own, head)
        )


def _places(own: str, head: str) -> Iterator[int]:
    place = own.find(head)
    while place >= 0:
        yield place
        place = own.find(head, place + 1)


def _goes_back(text: str, start: int, own: str, place: int) -> bool:
    while place > 0:
        start, place = start - 1, place - 1
        if start < 0 or text[start] == "\n" or text[start - 1 : start + 1] == "  ":
            return True
        if text[start] != own[place]:
            return False
    return True


def _goes_on(text: str, start: int, end: int, own: str, place: int) -> bool:
    while start < end and place < len(own):
        if text[start] == "\n" or text.startswith(_CUT, start):
            return True
        if text[start] != own[place]:
            return False
        start, place = start + 1, place + 1
    return True


def texts_in(found: object, *, ours: frozenset[str] = OUR_FIELDS) -> Iterator[str]:
    """Yield the texts of a result, of all its parts, but for those of `ours`."""
    yield from _texts(found, ours, set())


def _texts(found: object, ours: frozenset[str], seen: set[int]) -> Iterator[str]:
    if isinstance(found, str | PurePath):
        yield str(found)
        return
    if id(found) in seen:
        return
    seen.add(id(found))
    if is_dataclass(found) and not isinstance(found, type):
        left = frozenset[str]() if type(found).__name__ in QUOTES_OTHERS else ours
        for each in fields(found):
            if each.name not in left:
                yield from _texts(getattr(found, each.name, None), ours, seen)
    elif isinstance(found, Mapping):
        for key, value in found.items():
            yield from _texts(key, ours, seen)
            if key not in ours:
                yield from _texts(value, ours, seen)
    elif isinstance(found, Sequence | AbstractSet):
        for value in found if not isinstance(found, bytes | bytearray | range) else ():
            yield from _texts(value, ours, seen)


def texts_given(given: object) -> Iterator[str]:
    """Yield the texts that a method was given, columns of frames among them, and those of the files of its project."""
    yield from texts_in(given, ours=frozenset())
    for value in _values(given):
        yield from map(str, getattr(value, "columns", ()))
        root = getattr(getattr(value, "project", value), "root", None)
        if isinstance(root, PurePath):
            yield from texts_of_files(Path(root))


def _values(given: object) -> Iterator[object]:
    args, kwargs = given if isinstance(given, tuple) else ((), {})
    yield from (*args, *kwargs.values())


def causes_of(error: BaseException | None) -> Iterator[str]:
    """Yield what the errors of others say that an error, or one that it holds, came of."""
    for part in (getattr(error, "errors", None) or {}).values():
        yield from causes_of(part)
    while error is not None:
        error = error.__cause__ or error.__context__
        if error is not None and not isinstance(error, FeaturectlError):
            yield from str(error).splitlines()
