"""How views and sources do now, beside what the registry says of them: the stores are looked at."""

from __future__ import annotations

from collections.abc import Iterable
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
    """Return objects with the freshness of views (of a feature that of its view) and of sources that have an SLA.

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
    return tuple(
        replace(item, state=rows.get((_kind_of(item), item.name.partition(":")[0], item.version))) for item in objects
    )


def _kind_of(item: ObjectSummary) -> str:
    return "view" if item.kind == "feature" else item.kind
