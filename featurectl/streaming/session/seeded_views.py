"""What the lists of a view of a stream are made of."""

from __future__ import annotations

from functools import partial

from featurectl.streaming.seed_events import SeededView
from featurectl.streaming.session.applied_streams import AppliedStream
from featurectl.streaming.session.history_rows import history_frames
from featurectl.workspace.workspace import Workspace


def seeded_view(workspace: Workspace, stream: AppliedStream, label: str) -> SeededView:
    """Return what the lists of a view version are made of, `view@version`, as it is applied."""
    source = stream.source
    return SeededView(
        name=label,
        view=stream.views[label],
        source=source,
        earlier=None if source.history is None else partial(history_frames, workspace, source),
        spill=workspace.spill_folder(),
        max_age_us=stream.max_ages_us.get(label, 0),
        erased=stream.erased,
    )
