"""Which part of how many a process scores, and which rows these are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.operations.scoring import scorer

MOST_PARTS: Final = 1_000
_FORM: Final = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartNumber:
    """A part by its number, from 1 on, and how many there are."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"part {self.number} of {self.of}"


def parse_part(text: str) -> PartNumber:
    """Return the part that `I/N` means.

    >>> parse_part("2/3")
    PartNumber(number=2, of=3)

    Raises:
        UsageError: it means none.
    """
    found = _FORM.fullmatch(text)
    number, of = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= of <= MOST_PARTS:
        hint = f"--part 1/4 to --part 4/4, each in a process of its own; there are at most {MOST_PARTS:,}"
        raise UsageError(f"--part {text!r} is no part of several", hint=hint)
    return PartNumber(number=number, of=of)


def rows_of_part(part: PartNumber, height: int) -> range:
    """Return the places of the rows of a part in a spine.

    It begins and ends where a chunk of rows does that a model is given at once: so a row meets the model beside the
    same rows as in a run of one process, and has the same score, to the last bit.

    >>> [rows_of_part(PartNumber(number=n, of=3), 250_000) for n in (1, 2, 3)]
    [range(0, 100000), range(100000, 200000), range(200000, 250000)]
    """
    chunks = -(-height // scorer.CHUNK_ROWS)
    ends = [min(chunks * n // part.of * scorer.CHUNK_ROWS, height) for n in (part.number - 1, part.number)]
    return range(*ends)
