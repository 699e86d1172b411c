"""What Polars and the file system raise, as errors that name the source and the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from polars.exceptions import PolarsError

from featurectl.errors import DataError


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn failures to read inside the block into DataError FC502; `what` names the source and the file."""
    try:
        yield
    except (PolarsError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(f"{what} can't be read: {lines[0]}", code="FC502") from error
