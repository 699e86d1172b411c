"""The known name that somebody probably meant, and the question whether they did."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from featurectl.core.units import meant_duration

_LONGEST: Final = 100  # characters of names that are compared: it takes the square of their length
_MOST: Final = 200  # names that are all compared with a word
_NEIGHBOURS: Final = 20  # of more: so many on each side among all, sorted by their beginnings and by their ends


def nearest(word: str, known: Iterable[str], *, similar: float = 0.6) -> str:
    """Return the known name that is most like a word, or an empty text when none is near; alike ones by the alphabet.

    Where none is, the only one that goes on behind the word. `similar`: the least share of letters in common.

    >>> nearest("windw", ["op", "windows", "column"]), nearest("x", ["windows"])
    ('windows', '')
    >>> nearest("warn", ["warn_after", "error_after"])
    'warn_after'
    """
    if len(word) > _LONGEST:
        return ""
    names = tuple(name for name in known if len(name) <= _LONGEST)
    if len(names) > _MOST:
        names = _neighbours(word, names)
    return next(iter(difflib.get_close_matches(word, names, n=1, cutoff=similar)), "") or _only_longer(word, names)


def _only_longer(word: str, names: tuple[str, ...]) -> str:
    longer = [name for name in names if word and name.startswith(f"{word}_")]
    return longer[0] if len(longer) == 1 else ""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the one suggestion for a word that is not known, or an empty text when nothing is near.

    >>> did_you_mean("windw", ["op", "windows", "column"])
    'did you mean "windows"?'
    """
    near = nearest(word, known)
    return f'did you mean "{near}"?' if near else ""


def did_you_mean_duration(text: str) -> str:
    """Return the same for a length of time that is written as people, and other tools, do.

    >>> did_you_mean_duration("30 days")
    'did you mean "30d"?'
    """
    meant = meant_duration(text)
    return f'did you mean "{meant}"?' if meant else ""


def _neighbours(word: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that begin or end most like a word."""
    forward, backward = _sorted(names)
    ends = [name[::-1] for name in _beside(word[::-1], backward)]
    return tuple(dict.fromkeys([*_beside(word, forward), *ends]))


def _beside(word: str, names: list[str]) -> list[str]:
    at = bisect_left(names, word)
    return names[max(at - _NEIGHBOURS, 0) : at + _NEIGHBOURS]


@lru_cache(maxsize=8)
def _sorted(names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    return sorted(names), sorted(name[::-1] for name in names)
