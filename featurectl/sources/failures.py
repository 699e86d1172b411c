"""What Polars and the file system raise, as errors that name the source and the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from polars.exceptions import PanicException, PolarsError

from featurectl.core.errors import DataError, NoAnswerError
from featurectl.core.object_store import is_unanswered, refusal_of, without_secrets
from featurectl.core.secrets import hide_address_secrets


@contextmanager
def reading(what: str, shown: Callable[[str], str] = str) -> Iterator[None]:
    """Turn failures to read inside the block into DataError FC502; `what` names the source and the file.

    `shown` gives back the cause as people may see it. An object store that does not answer is a `NoAnswerError`.
    """
    try:
        yield
    except (PolarsError, PanicException, OSError) as error:
        if is_unanswered(error):
            raise no_answer(what, refusal_of(error)) from error
        lines = str(error).strip().splitlines() or [type(error).__name__]
        cause = hide_address_secrets(shown(lines[0]), lines[0])
        cause = without_secrets(cause) if "://" in lines[0] else cause
        raise DataError(f"{what} can't be read: {cause}", code="FC502") from error


def no_answer(what: str, reason: str) -> NoAnswerError:
    """Return the error of an object store that does not answer; `what` names the source."""
    return NoAnswerError(f"{what} can't be read: {reason}", code="FC616")
