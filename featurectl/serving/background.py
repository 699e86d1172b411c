"""What a process does beside its requests, from its beginning to its end."""

from __future__ import annotations

import asyncio

from featurectl.serving.context import ServerContext
from featurectl.serving.registry_follower import Follower, ProjectSource
from featurectl.serving.scoring.shadow import ShadowScorer


class ServerTasks:
    """Follows the registry and the pushes, judges canaries, scores in shadow mode; closes what it has open at last."""

    def __init__(self, context: ServerContext, source: ProjectSource) -> None:
        self._context = context
        self._follower = Follower(context, source)
        self._shadow = ShadowScorer(context)

    def start(self) -> None:
        """Begin to load what is served, to follow the registry and the pushes, and to judge canaries."""
        self._follower.start()
        self._shadow.start()

    async def stop(self) -> None:
        """Stop to follow, write what is to be logged, close the store."""
        await self._follower.stop()
        await self._shadow.stop()
        if self._context.events is not None:
            await asyncio.to_thread(self._context.events.close)
        if self._context.predictions is not None:
            await asyncio.to_thread(self._context.predictions.close)
        await self._context.features.store.close()
        self._context.journal.report("stopped", "what was under way is answered")
