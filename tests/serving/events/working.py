"""A worker of a repository's streams, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from featurectl.streaming.session.process_run import ProcessRun, StreamRunRequest
from featurectl.workspace.open import open_workspace
from tests.serving.events.shop import LIMIT_S, EventShop
from tests.streaming.session.running import Running


@contextmanager
def working(shop: EventShop) -> Iterator[Running]:
    """Let the streams be worked on; the end of it must be in order."""
    found = Running()

    def run() -> None:
        try:
            with open_workspace(shop.root, None, None, "applied") as workspace:
                ProcessRun(workspace, StreamRunRequest(sources=(), follow_s=0.2), found).run(found.stop)
        except BaseException as error:  # noqa: BLE001 (the test looks at it)
            found.fault = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()
    assert found.fault is None, found.said
