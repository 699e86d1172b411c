"""When a process of a server begins to answer.

One that is alone answers at once: that it is not loaded is an answer, too. Of several on one port the first does so,
and the others wait until they and the first are loaded. Else somebody whom one of them answers that the server is
ready would be refused by another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOAD_S: Final = 60.0  # then it answers anyway: what is not loaded is refused
_MARK_VARIABLE: Final = "FEATURECTL_SERVE_FIRST_LOADED"
_FIRST_VARIABLE: Final = "FEATURECTL_SERVE_IS_FIRST"
_STEP_S: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """`at_once`: nothing is waited for. `mark` is the file that is there when the first of several is loaded."""

    at_once: bool = False
    mark: Path | None = None

    @asynccontextmanager
    async def of(self, is_known: asyncio.Event) -> AsyncIterator[None]:
        """Begin the block when the process may answer: what it serves is loaded, or it is known why not."""
        loaded = asyncio.create_task(self._load(is_known))
        if not self.at_once:
            await asyncio.wait([loaded], timeout=LOAD_S)
        try:
            yield
        finally:
            loaded.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await loaded

    async def _load(self, is_known: asyncio.Event) -> None:
        await is_known.wait()
        if self.mark is None:
            return
        if self.at_once:
            with contextlib.suppress(OSError):  # on a full disk: the others answer after `LOAD_S`
                self.mark.touch()
            return
        while not self.mark.exists():  # noqa: ASYNC110 (another process makes it)
            await asyncio.sleep(_STEP_S)


AT_ONCE: Final = Beginning(at_once=True)
WHEN_LOADED: Final = Beginning()


def pass_to_process(mark: Path, *, is_first: bool) -> None:
    """Set for a process of several, which is started next, when it begins."""
    os.environ[_MARK_VARIABLE] = str(mark)
    os.environ[_FIRST_VARIABLE] = "yes" if is_first else ""


def beginning_of_process() -> Beginning:
    """Return when this process begins; one that was started alone begins when it is loaded."""
    mark = os.environ.get(_MARK_VARIABLE)
    return Beginning(at_once=bool(os.environ.get(_FIRST_VARIABLE)), mark=Path(mark) if mark else None)
