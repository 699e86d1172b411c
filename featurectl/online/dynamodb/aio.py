"""Reads for one event loop: look-ups of all requests of a turn share requests, which threads send."""

from __future__ import annotations

import asyncio
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from featurectl.core.errors import FeaturectlError, NoAnswerError, StoreError
from featurectl.online.base import Ask, Found
from featurectl.online.dynamodb.address import no_streams, parse_address
from featurectl.online.dynamodb.connect import AT_ONCE, DynamoLink
from featurectl.online.dynamodb.items import Item
from featurectl.online.dynamodb.reading import (
    PlaceOfItem,
    found_items,
    rows_of,
    shared_of,
    wanted_rows,
    wanted_shared,
)
from featurectl.online.shared_trips import SharedTrips
from featurectl.online.stream_state.base import Generation, ListsAnswer, ListsAsk, StreamPoll, StreamSource

_TRIPS: Final = 4  # under way at once
FoundItems = dict[PlaceOfItem, Item]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAsk:
    """Some of what all entities share, wanted by name."""

    project: str
    env: str
    names: Sequence[str]


DynamoQuestion = Ask | SharedAsk


class DynamoTrips(SharedTrips[DynamoQuestion, FoundItems]):
    """Asks a table what many callers want, by requests of a hundred keys."""

    def __init__(self, url: str, shown: str, budget_s: float) -> None:
        super().__init__(budget_s, _TRIPS)
        self._link = DynamoLink(parse_address(url, shown), budget_s)
        self._link.load()
        self._pool = ThreadPoolExecutor(AT_ONCE)

    def late(self) -> FeaturectlError:
        """Return the error of who has waited for so long."""
        shown = self._link.address.shown
        return NoAnswerError(
            f"the online store {shown} can't be reached: no answer within {self._budget_s:g} s", code="FC602"
        )

    def closed(self) -> StoreError:
        """Return the error of who waits when this is closed, or asks afterwards."""
        shown = self._link.address.shown
        return StoreError(f"the online store {shown} is read no more: the reader was closed", code="FC602")

    def now_s(self) -> float:
        """Return the server's time, as its answers have said it."""
        return self._link.now_s()

    async def close_connections(self) -> None:
        """Close the connections; a thread that waits for an answer ends when its time is over."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._link.close()

    async def exchange(self, questions: list[DynamoQuestion]) -> list[FoundItems]:
        """Return for each question all items of the trip: rows as consistent as the address says, the rest always."""
        asks = [question for question in questions if isinstance(question, Ask)]
        shared = [question for question in questions if not isinstance(question, Ask)]
        is_consistent = self._link.address.is_consistent
        parts = [(places, is_consistent) for places in wanted_rows(asks)]
        for each in shared:
            parts += [(places, True) for places in wanted_shared(each.project, each.env, each.names)]
        loop, found = asyncio.get_running_loop(), FoundItems()
        for some in await asyncio.gather(*(loop.run_in_executor(self._pool, self._read(*part)) for part in parts)):
            found |= some
        return [found] * len(questions)

    def _read(self, places: Sequence[PlaceOfItem], is_consistent: bool) -> Callable[[], FoundItems]:  # noqa: FBT001
        return lambda: found_items(self._link, places, is_consistent=is_consistent)


class AsyncDynamoReader:
    """An `AsyncRowReader` of a table. A call waits at most `budget_s` for its answer, connecting included."""

    def __init__(self, url: str, shown: str, budget_s: float) -> None:
        self._shown = shown
        self._trips = DynamoTrips(url, shown, budget_s)

    async def fetch(self, asks: Sequence[Ask]) -> list[list[Found]]:
        """Return for every ask what lies under each of its keys."""
        trips = await self._trips.send([ask for ask in asks if ask.keys])
        return rows_of(asks, _joined(trips), self._trips.now_s())

    async def fetch_shared(self, project: str, env: str, names: Sequence[str]) -> list[bytes | None]:
        """Return some of what all entities share, by name."""
        if not names:
            return []
        [found] = await self._trips.send([SharedAsk(project=project, env=env, names=names)])
        return shared_of(project, env, names, found)

    async def read_poll(self, source: StreamSource) -> StreamPoll:  # noqa: ARG002
        """Refuse: there is no state of streams."""
        raise no_streams(self._shown)

    async def read(self, source: StreamSource, asks: Sequence[ListsAsk]) -> list[ListsAnswer]:  # noqa: ARG002
        """Refuse: there is no state of streams."""
        raise no_streams(self._shown)

    async def read_layout(self, source: StreamSource, generation: Generation) -> str:  # noqa: ARG002
        """Refuse: there is no state of streams."""
        raise no_streams(self._shown)

    async def close(self) -> None:
        """Close the connections; who waits for an answer gets an error."""
        await self._trips.close()


def _joined(trips: Sequence[FoundItems]) -> Mapping[PlaceOfItem, Item]:
    """Return what some asks have found: most often all in one trip, which has the items of many callers."""
    return ChainMap(*{id(trip): trip for trip in trips}.values())
