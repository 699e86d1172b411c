"""How views and sources do now, beside what the registry says of them: the stores are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from featurectl.catalog.summaries import ObjectSummary

if TYPE_CHECKING:
    from featurectl.core.progress import Progress
    from featurectl.monitor.freshness import FreshnessRow
    from featurectl.registry.state import State
    from featurectl.workspace.workspace import Workspace


def with_states(
    workspace: Workspace, state: State, objects: Iterable[ObjectSummary], progress: Progress | None = None
) -> tuple[ObjectSummary, ...]:
    """Return objects with the freshness of views and of sources that have an SLA; a feature's is its own or its view's.

    What can't be seen is an ERROR of its row, no error of this.
    """
    from featurectl.monitor.health import look

    if progress is not None:
        progress.start("look at the stores")
    rows: dict[tuple[str, str, int | None], FreshnessRow] = {
        (row.kind, row.name, row.version): row for row in look(workspace, state, entities=False)
    }
    if progress is not None:
        progress.done("")
    return tuple(replace(item, state=_row_of(item, rows)) for item in objects)


def _row_of(item: ObjectSummary, rows: Mapping[tuple[str, str, int | None], FreshnessRow]) -> FreshnessRow | None:
    own = rows.get((item.kind, item.name, item.version))
    if own is None and item.kind == "feature":
        return rows.get(("view", item.name.partition(":")[0], item.version))
    return own
