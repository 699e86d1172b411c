"""Where random cases begin: at 0 in `make test`, which is the same each time; at a fresh number in `make stress`."""

from __future__ import annotations

import os
from typing import Final

VARIABLE: Final = "FEATURECTL_TEST_SEED"
FIRST: Final = int(os.environ.get(VARIABLE) or 0)
IS_FRESH: Final = bool(os.environ.get(VARIABLE))
REPEAT: Final = f"random cases began at {FIRST}: make stress SEED={FIRST} repeats them"


def seed_of(number: int) -> int:
    """Return the seed of a case that has a number."""
    return FIRST + number


def seeds_from(first: int, last: int) -> range:
    """Return the seeds of the cases from one number to before another."""
    return range(seed_of(first), seed_of(last))


def examples(sample: int, whole: int = 100) -> int:
    """Return how many random cases a test of Hypothesis draws: in `make test` a sample, in `make stress` the whole."""
    return whole if IS_FRESH else sample
