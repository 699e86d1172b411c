"""Where rows lie that do not fit into memory."""

import os
from pathlib import Path

import pytest

from featurectl.core.errors import UsageError
from featurectl.engines.spill import SpillRoom

NOWHERE = Path("/sys/spill")  # nobody may make a folder there


def test_rows_lie_below_a_folder_that_is_gone_at_the_end(tmp_path):
    with SpillRoom(tmp_path / "there") as room:
        assert room.folder().is_dir()
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_that_may_not_be_made_is_told_as_what_it_is():
    with (
        SpillRoom(NOWHERE) as room,
        pytest.raises(UsageError, match="/sys/spill, for rows that do not fit into memory"),
    ):
        room.folder()


def test_what_was_left_by_killed_processes_goes_and_what_is_in_use_stays(tmp_path):
    with SpillRoom(tmp_path) as room:
        own = room.folder().parent
        left = [tmp_path / "spill-999999999-a", tmp_path / f"spill-{os.getpid()}-of-a-process-of-the-same-number"]
        for folder in left:
            (folder / "rows").mkdir(parents=True)
        with SpillRoom(tmp_path):
            assert [*tmp_path.iterdir()] == [own]
