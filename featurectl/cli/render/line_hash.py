"""The hash by which GitHub code scanning knows a line again, wherever it has moved to."""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from itertools import chain, repeat
from typing import Final

_WINDOW: Final = 100  # characters that a line's hash looks at
_FACTOR: Final = 37
_MASK: Final = 2**64 - 1
_TAB, _LINE_FEED, _RETURN, _SPACE = 9, 10, 13, 32
_END: Final = 0xFFFF
_ENCODING: Final = f"utf-16-{sys.byteorder[0]}e"


def line_hashes(text: str) -> list[str]:
    r"""Return a hash for each line of a text: hex digits, a colon, and how often they came up to there.

    A line's hash is that of the 100 characters (UTF-16, without spaces and tabs, every end of a line a line feed)
    that begin with it, so what stands above it has no part in it but to count lines that are alike.

    Source: the fingerprints that GitHub's upload action computes for results that bring none.

    >>> line_hashes("a: 1\nb: 2\n")[1:] == line_hashes("# new\na: 1\nb: 2\n")[2:]
    True
    """
    units, starts = _stripped(text)
    wanted = {*starts, *(start + _WINDOW for start in starts)}
    folded, value = {}, 0  # what all characters before a position fold to
    for position, unit in enumerate(chain(units, repeat(0, _WINDOW + 1))):
        if position in wanted:
            folded[position] = value
        value = (value * _FACTOR + unit) & _MASK
    before = pow(_FACTOR, _WINDOW, _MASK + 1)
    seen: Counter[int] = Counter()
    hashes = []
    for start in starts:
        value = (folded[start + _WINDOW] - folded[start] * before) & _MASK
        seen[value] += 1
        hashes.append(f"{value:x}:{seen[value]}")
    return hashes


def _stripped(text: str) -> tuple[array[int], list[int]]:
    """Return the characters that count, a mark for the end after them, and where among them each line begins."""
    units = array("H")
    starts = [0]
    after_return = False
    for unit in array("H", text.encode(_ENCODING, "surrogatepass")):
        skipped = unit in (_SPACE, _TAB) or (after_return and unit == _LINE_FEED)
        after_return = unit == _RETURN
        if skipped:
            continue
        units.append(_LINE_FEED if after_return else unit)
        if units[-1] == _LINE_FEED:
            starts.append(len(units))
    units.append(_END)
    return units, starts
