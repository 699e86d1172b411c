"""Lists of a rebuild that was killed are removed by the next worker, and those of one that goes on are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from featurectl.online.stream_state.base import Generation
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.streaming.seeding import Seeding, SeedingState
from featurectl.streaming.session import rebuild_leases
from featurectl.streaming.session.applied_streams import applied_streams
from featurectl.streaming.session.rebuild_leases import RebuildLeases
from featurectl.workspace.workspace import Workspace
from tests.streaming.session.swipes import Swipes
from tests.streaming.session.test_rebuild_and_reset import generations, name_lists, ran

NAMED = Generation(view="spend@1", id="a1")
ENDED_US = -(2**53)  # whoever has ever said that it goes on has said so too long ago


def leases_of(workspace: Workspace) -> RebuildLeases:
    stream = applied_streams(workspace.applied_state())["swipes"]
    return RebuildLeases(workspace, stream.kept, "swipes")


@pytest.fixture(params=[ENDED_US, 120_000_000], ids=["ended", "goes on"])
def lease_us(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How long the lease of a rebuild is."""
    monkeypatch.setattr(rebuild_leases, "_LEASE_US", request.param)
    return int(request.param)


@pytest.mark.long
@pytest.mark.parametrize("says", [NAMED, NAMED._replace(id="b2"), None], ids=["it", "another", "nobody"])
def test_a_worker_removes_lists_whose_rebuild_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], says: Generation | None, lease_us: int
):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    name_lists(swipes, replace=False)
    if says is not None:
        with swipes.workspace() as workspace:
            leases_of(workspace).say(says)
    swipes.send(2)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    assert generations(swipes) == (1 if (says, lease_us) == (NAMED, ENDED_US) else 2)
    assert swipes.values() == {"amount_sum_1h": 106.0, "amount_count_1h": 7}


def test_a_rebuild_says_that_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    step = Seeding.step
    seen: list[bool] = []

    def looked(seeding: Seeding, connection: StreamConnection) -> SeedingState:
        now_us = connection.register.read_state().clock_us
        with swipes.workspace() as workspace:
            leases = leases_of(workspace)
            seen.extend(leases.has_ended(seeding.generation, now_us + ahead_us) for ahead_us in (0, 2**50))
        return step(seeding, connection)

    monkeypatch.setattr(Seeding, "step", looked)
    assert ran(capsys, swipes, "rebuild", "spend")[0] == 0
    assert seen == [False, True]
    assert generations(swipes) == 1
