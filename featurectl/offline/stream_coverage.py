"""What a table has read of a stream, as `Coverage.parts` has it: the cut, an offset a partition, files of the history.

stream               the cut, in microseconds since 1970; there is none as long as there is no log
stream:<partition>   the first offset that was not taken
history:<part>       the stamp of a part of the history
repeats              how long after a copy of an event another one was known as a repeat, in microseconds
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from featurectl.offline.base import Coverage

_CUT: Final = "stream"
_PARTITION: Final = "stream:"
_REPEATS: Final = "repeats"
HISTORY: Final = "history:"


def log_parts(cut_us: int, ends: Mapping[str, int]) -> dict[str, str]:
    """Return the parts of a log whose partitions were taken up to some offsets.

    >>> log_parts(7, {"swipes/0": 12})
    {'stream': '7', 'stream:swipes/0': '12'}
    """
    return {_CUT: str(cut_us), **{_PARTITION + name: str(end) for name, end in ends.items()}}


def history_parts(stamps: Mapping[str, str]) -> dict[str, str]:
    """Return the parts of a history, by the names that it gives them."""
    return {HISTORY + name: stamp for name, stamp in stamps.items()}


def repeats_part(reach_us: int) -> dict[str, str]:
    """Return the part that says how long after a copy of an event another one was known as a repeat."""
    return {_REPEATS: str(reach_us)}


def repeats_reach_us(coverage: Coverage) -> int | None:
    """Return how long after a copy of an event another one was known as a repeat; None: it was not asked."""
    reach_us = coverage.parts.get(_REPEATS)
    return None if reach_us is None else int(reach_us)


def cut_of(coverage: Coverage) -> int | None:
    """Return the cut of the log that a table was made of; None: there was no log."""
    cut = coverage.parts.get(_CUT)
    return None if cut is None else int(cut)


def asof_of(coverage: Coverage) -> datetime | None:
    """Return up to when a table has all events of its log; None: it is not made of one."""
    return None if cut_of(coverage) is None else coverage.watermark


def taken_ends(coverage: Coverage) -> dict[str, int]:
    """Return the first offset of each partition that a table was not given."""
    parts = coverage.parts.items()
    return {name.removeprefix(_PARTITION): int(end) for name, end in parts if name.startswith(_PARTITION)}


def of_history(coverage: Coverage) -> Coverage:
    """Return what a table has read of the history, as a table of that alone would say it."""
    parts = {name.removeprefix(HISTORY): at for name, at in coverage.parts.items() if name.startswith(HISTORY)}
    return replace(coverage, parts=parts, held=tuple(name.removeprefix(HISTORY) for name in coverage.held))
