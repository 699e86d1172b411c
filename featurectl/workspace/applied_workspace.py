"""A workspace with what is applied of it, as an operation has read it once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from featurectl.core.progress import Progress
from featurectl.workspace.source_opener import SourceOpener
from featurectl.workspace.workspace import Workspace

if TYPE_CHECKING:
    from featurectl.language.definitions.source import Source
    from featurectl.offline.base import OfflineStore
    from featurectl.registry.state import State
    from featurectl.sources.base import SourceReader


@dataclass(frozen=True, slots=True, kw_only=True)
class AppliedWorkspace:
    """A workspace, its state in the registry, and its sources, which report columns without a time zone."""

    workspace: Workspace
    state: State
    sources: SourceOpener

    @property
    def now(self) -> datetime:
        """The operation's instant."""
        return self.workspace.now

    @property
    def offline(self) -> OfflineStore:
        """The environment's offline store."""
        return self.workspace.offline()

    def open_source(self, source: Source) -> SourceReader:
        """Return the reader of a source."""
        return self.sources.open(source)


def read_applied(workspace: Workspace, progress: Progress | None = None) -> AppliedWorkspace:
    """Return a workspace with its state.

    Raises:
        CheckFailedError: nothing is applied.
    """
    state = workspace.applied_state()
    return AppliedWorkspace(workspace=workspace, state=state, sources=SourceOpener(workspace, progress))
