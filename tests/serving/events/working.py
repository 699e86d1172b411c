"""A worker on the streams of a shop that events are sent to, in a thread."""

from __future__ import annotations

from contextlib import AbstractContextManager

from featurectl.workspace.open import open_workspace
from tests.serving.events.shop import EventShop
from tests.streaming.session.running import Running, running_in


def working(shop: EventShop) -> AbstractContextManager[Running]:
    """Let the streams of a shop be worked on; the end of it must be in order."""
    return running_in(lambda: open_workspace(shop.root, None, None, "unread"))
