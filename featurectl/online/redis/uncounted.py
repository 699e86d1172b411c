"""The count of entities after rows that were written without counting them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from featurectl.online.redis.answers import read_number, read_value
from featurectl.online.redis.claim import Claim
from featurectl.online.redis.commands import RedisCommands
from featurectl.online.redis.scripts import COUNT_ADDED, SET_COUNT

if TYPE_CHECKING:
    from featurectl.online.redis.wire import Sender

_LOOKS: Final = 3  # at all rows, while others add some; the next push looks again


def count_added(commands: RedisCommands, claim: Claim, sender: Sender) -> bool:
    """Count what a writer has added, and return whether that is all: else every row is to be counted.

    Nothing is counted where another one has claimed the rows meanwhile: it counts them all.
    """
    names = (claim.writer, claim.counter, claim.mark, claim.token)
    answer = commands.read(read_number, "EVAL", COUNT_ADDED, 1, claim.home, *names, sender.uncounted)
    return answer == 0


def count_all(commands: RedisCommands, claim: Claim, count_rows: Callable[[], int]) -> None:
    """Set the counter to the number of rows that there are, unless others go on adding some."""
    names = (claim.counter, claim.mark, claim.token)
    for _ in range(_LOOKS):
        was = commands.read(read_value, "HGET", claim.home, claim.counter) or b""
        found = count_rows()
        if commands.read(read_number, "EVAL", SET_COUNT, 1, claim.home, *names, was, found) == 0:
            return
