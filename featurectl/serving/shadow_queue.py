"""What waits to be scored by the challenger of a canary in shadow mode."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from featurectl.serving.http.bodies import Scalar
from featurectl.serving.project.canary import ServedCanary

_WAITING: Final = 256  # requests


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowRequest:
    """A request that the champion has answered, with the hashes of the entities of its rows.

    It was read at `at`, and what is of no later than `latest` counted (as `KeyRows`): where the request named no
    instant a view of a stream is read as it is when its turn has come, for it knows the last seconds alone.
    """

    canary: ServedCanary
    rows: Sequence[Mapping[str, Scalar]]
    entities: Sequence[int]
    at: datetime
    latest: datetime | None = None


class ShadowQueue:
    """Requests in the order in which they came; one that finds it full is left out."""

    def __init__(self) -> None:
        self._requests: asyncio.Queue[ShadowRequest] = asyncio.Queue(_WAITING)

    def offer(self, request: ShadowRequest) -> bool:
        """Take a request, and return whether there was room; never waits."""
        try:
            self._requests.put_nowait(request)
        except asyncio.QueueFull:
            return False
        return True

    async def next(self) -> ShadowRequest:
        """Return the next request when there is one."""
        return await self._requests.get()
