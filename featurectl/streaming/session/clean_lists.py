"""The marks of lists: workers write them where nothing of what was erased is left."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

from featurectl.online.list_marks import write_list_mark
from featurectl.online.row_places import online_view
from featurectl.streaming.session.applied_streams import AppliedStream
from featurectl.workspace.workspace import Workspace


def mark_clean(workspace: Workspace, stream: AppliedStream, label: str) -> bool:
    """Say that the lists of a view, `view@version`, have nothing of what is known to be erased; for any thread.

    Returns whether that was not said before: they were of a store that was restored.

    Raises:
        StoreError: the store fails.
    """
    view = stream.kept.get(label)
    if view is None or not stream.erased:
        return False
    version = int(label.rpartition("@")[2])
    online = online_view(view, version, workspace.project, workspace.environment.name)
    with closing(workspace.online_handle()) as store:
        return write_list_mark(store, online, stream.erased.number, datetime.now(UTC))
