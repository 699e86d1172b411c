"""An erasure that is killed at any step leaves the old table or the new one, and the next one finishes it."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.offline.killed_erasure import CANARY, erase, known, make_table, open_table
from tests.offline.test_erased_tables import holds
from tests.warm import WarmProcess

MOST_STEPS = 60


@pytest.mark.long
def test_a_killed_erasure_leaves_the_old_table_or_the_new_one(tmp_path: Path):
    made = tmp_path / "made"
    make_table(made)
    old = open_table(made, knows=False).read()
    new = old.filter(pl.col("carrier") != CANARY)
    seen = set()
    for step in range(MOST_STEPS):
        root = tmp_path / str(step)
        shutil.copytree(made, root)
        with WarmProcess(erase, root, step) as process:
            code = process.wait()
        lies = open_table(root, knows=False).read()
        seen.add(lies.height)
        assert lies.height in (old.height, new.height)
        assert_frame_equal(lies, new if lies.height == new.height else old)
        assert_frame_equal(open_table(root).read(), new)
        if code == 0:
            break
        assert not open_table(root).is_clean() or holds(root, CANARY) == []  # the last step says that nothing is left
        open_table(root).remove_erased(known(), {})
        assert open_table(root).is_clean()
        assert holds(root, CANARY) == []
        assert_frame_equal(open_table(root).read(), new)
    else:
        raise AssertionError("it was killed at each of so many steps")
    assert seen == {old.height, new.height}
