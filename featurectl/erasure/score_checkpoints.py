"""Scores of runs that were cut, on this machine and in the offline store: of erased keys, by their places alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from featurectl.erasure.base import ErasureRequest, PlaceFindings
from featurectl.offline.open_plain_files import open_loose
from featurectl.offline.plain_files import LooseFiles
from featurectl.operations.scoring.checkpoint import begun_before, forget_unused
from featurectl.operations.scoring.score_model import checkpoints_folder
from featurectl.operations.scoring.shared_run import old_folders, parts_folder

_PLACE = "scores of runs that were cut"


class ScoreCheckpointsPlace:
    """What runs of `score` have left that began before an erasure: no key stands in it, so all of it goes."""

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return how many runs there are."""
        return _finding(len(_folders(request)) + len(_shared(request)[1]), 0)

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove what nobody works on; runs that go on are named, for their scores are of what they have seen.

        Those in parts are removed all: a part that goes on finds its run gone, and writes no output.
        """
        folders, (files, shared) = _folders(request), _shared(request)
        for folder in shared:
            files.remove(folder)
        return _finding(len(folders) + len(shared), sum(not forget_unused(folder) for folder in folders))


def _folders(request: ErasureRequest) -> list[Path]:
    return begun_before(checkpoints_folder(request.target.workspace), _newest(request))


def _shared(request: ErasureRequest) -> tuple[LooseFiles, list[str]]:
    """Return where runs in parts lie, and the folders of those that began before the newest erasure."""
    workspace = request.target.workspace
    location, parent = parts_folder(workspace.offline_location(), workspace.project, workspace.environment.name)
    files = open_loose(location)
    return files, list(old_folders(files, parent, _newest(request)))


def _newest(request: ErasureRequest) -> datetime:
    return max(item.at for item in request.erasures.tombstones)


def _finding(runs: int, going_on: int) -> list[PlaceFindings]:
    if not runs:
        return []
    note = f"{going_on} of them go on, and may write scores of erased rows: run it again once they are done"
    return [PlaceFindings(place=_PLACE, rows=runs, what="runs", notes=(note,) if going_on else ())]
