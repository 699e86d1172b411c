"""What a run of a pipeline says while it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from featurectl.offline.pipeline_records import StageRecord

__all__ = ["RunReport", "StageRecord"]


class RunReport(Protocol):
    """Is notified of stages, and of what they write; drawn by the command line."""

    def changed(self, stage: StageRecord, text: str) -> None:
        """Take note that a stage is in another state, and what there is to say of it."""

    def wrote(self, stage: str, line: str) -> None:
        """Take note of a line that a stage wrote."""

    def look(self, stages: Mapping[str, StageRecord]) -> None:
        """Draw anew what is drawn; called many times a second."""

    def note(self, text: str) -> None:
        """Say something of the run as a whole."""
