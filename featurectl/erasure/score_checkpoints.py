"""Scores that a run which was cut has left on this machine: they may be of erased keys, by their places alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.operations.scoring.checkpoint import begun_before, forget_unused
from featurectl.operations.scoring.score_model import checkpoints_folder

_PLACE = "scores of runs that were cut"


class ScoreCheckpointsPlace:
    """What runs of `score` have left that began before an erasure: no key stands in it, so all of it goes."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many runs there are."""
        return _finding(len(_folders(request)), 0)

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove what nobody works on; runs that go on are named, for their scores are of what they have seen."""
        folders = _folders(request)
        return _finding(len(folders), sum(not forget_unused(folder) for folder in folders))


def _folders(request: ErasureRequest) -> list[Path]:
    newest = max(item.at for item in request.erasures.tombstones)
    return begun_before(checkpoints_folder(request.target.workspace), newest)


def _finding(runs: int, going_on: int) -> list[PlaceFindings]:
    if not runs:
        return []
    note = f"{going_on} of them go on, and may write scores of erased rows: run it again once they are done"
    return [PlaceFindings(place=_PLACE, rows=runs, what="runs", notes=(note,) if going_on else ())]
