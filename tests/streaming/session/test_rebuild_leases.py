"""Lists of a rebuild that was killed are removed by the next worker, and those of one that goes on are not."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.core.errors import RunningError, TryAgainError
from featurectl.core.progress import Silent
from featurectl.online.stream_state.base import Generation
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.streaming.seeding import Seeding, SeedingState
from featurectl.streaming.session import rebuild_leases
from featurectl.streaming.session.applied_streams import applied_streams
from featurectl.streaming.session.rebuild_leases import RebuildLeases
from featurectl.streaming.session.rebuild_views import rebuild_views
from featurectl.workspace.workspace import Workspace
from tests.streaming.session.swipes import LIMIT_S, Swipes, emptied
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


def begun(root: Path, capsys: pytest.CaptureFixture[str], online: str = "sqlite:///on.db") -> Swipes:
    """Four swipes, which a worker has taken."""
    swipes = Swipes(root=root, online=online)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    return swipes


@pytest.mark.long
@pytest.mark.parametrize("says", [NAMED, NAMED._replace(id="b2"), None], ids=["it", "another", "nobody"])
def test_a_worker_removes_lists_whose_rebuild_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], says: Generation | None, lease_us: int
):
    swipes = begun(tmp_path, capsys)
    name_lists(swipes, replace=False)
    if says is not None:
        with swipes.workspace() as workspace:
            leases_of(workspace).say(says)
    swipes.send(2)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    assert generations(swipes) == (1 if (says, lease_us) == (NAMED, ENDED_US) else 2)
    assert swipes.values() == {"amount_sum_1h": 106.0, "amount_count_1h": 7}


KILLED = """
import os, signal, sys
from featurectl.cli.main import main
from featurectl.streaming.seeding import Seeding
from featurectl.streaming.session import rebuild_leases

rebuild_leases._ALIVE_US = 0  # as if the one before was killed half a minute ago
begin = Seeding.__init__

def killed(*of, **named):
    begin(*of, **named)
    os.kill(os.getpid(), signal.SIGKILL)

Seeding.__init__ = killed
main(["stream", "rebuild", "spend", "-C", sys.argv[1], "-q"])
"""


@pytest.mark.parametrize("online", ["sqlite", "redis_url", "postgres_url"])
def test_lists_of_a_rebuild_killed_as_it_names_them_are_known(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    online: str,
):
    url = "sqlite:///on.db" if online == "sqlite" else request.getfixturevalue(online)
    swipes = begun(tmp_path, capsys, emptied(url) if online == "redis_url" else url)
    before = generations(swipes)
    for _ in range(2):  # of the second one the lists take the place of those of the first
        ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=LIMIT_S)
        assert (ended.returncode, generations(swipes)) == (-signal.SIGKILL, before + 1)
    monkeypatch.setattr(rebuild_leases, "_LEASE_US", ENDED_US)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    assert generations(swipes) == before


def test_what_another_killed_rebuild_left_goes_before_it_is_unknown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(rebuild_leases, "_ALIVE_US", 0)
    swipes = begun(tmp_path, capsys)
    name_lists(swipes, replace=False)
    with swipes.workspace() as workspace:
        leases_of(workspace).say(NAMED)

    def killed(*_: object, **__: object) -> None:
        seen.append(generations(swipes))
        raise KeyboardInterrupt

    seen: list[int] = []
    monkeypatch.setattr(Seeding, "__init__", killed)
    assert ran(capsys, swipes, "rebuild", "spend")[0] == 130
    assert seen == [1]


def test_a_rebuild_says_that_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    swipes = begun(tmp_path, capsys)
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


def test_a_rebuild_is_refused_while_another_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    swipes = begun(tmp_path, capsys)
    step = Seeding.step
    seen: list[str] = []

    def meanwhile(seeding: Seeding, connection: StreamConnection) -> SeedingState:
        if not seen:
            seen.append("")
            with pytest.raises(RunningError) as refused, swipes.workspace() as workspace:
                rebuild_views(workspace, ["spend"], Silent())
            seen[0] = refused.value.message
        return step(seeding, connection)

    monkeypatch.setattr(Seeding, "step", meanwhile)
    code, out, _ = ran(capsys, swipes, "rebuild", "spend")
    assert (code, out.count("lists made anew")) == (0, 1)
    assert seen == ["another rebuild makes lists of spend@1 already"]
    assert generations(swipes) == 1
    assert ran(capsys, swipes, "rebuild", "spend")[0] == 0  # that one has ended


@pytest.mark.parametrize(("alive_us", "code"), [(30_000_000, 75), (0, 0)], ids=["goes on", "killed"])
def test_a_rebuild_that_was_killed_is_in_the_way_for_half_a_minute(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, alive_us: int, code: int
):
    monkeypatch.setattr(rebuild_leases, "_ALIVE_US", alive_us)
    swipes = begun(tmp_path, capsys)
    name_lists(swipes, replace=False)
    with swipes.workspace() as workspace:
        leases_of(workspace).say(NAMED)
    found, _, err = ran(capsys, swipes, "rebuild", "spend")
    assert found == code
    assert ("wait until it has ended, or, where it was killed, for 30 s" in err) == bool(code)
    assert generations(swipes) == (2 if code else 1)


@pytest.mark.parametrize(("fault", "code"), [(None, 0), (TryAgainError("not logged"), 75), (KeyboardInterrupt(), 130)])
def test_nothing_is_left_of_what_a_rebuild_has_said(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException | None,
    code: int,
):
    swipes = begun(tmp_path, capsys)
    step = Seeding.step
    said: list[int] = []

    def stepped(seeding: Seeding, connection: StreamConnection) -> SeedingState:
        said.append(records_in(tmp_path / "on.db"))
        if fault is not None:
            raise fault
        return step(seeding, connection)

    monkeypatch.setattr(Seeding, "step", stepped)
    assert ran(capsys, swipes, "rebuild", "spend")[0] == code
    assert (said, records_in(tmp_path / "on.db"), generations(swipes)) == ([1], 0, 1)


def records_in(path: Path) -> int:
    """How many rebuilds the store has something of."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("select count(*) from views where view like 'rebuild:%'").fetchone()[0])


def test_a_rebuild_whose_lists_were_given_up_says_nothing_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = begun(tmp_path, capsys)
    name_lists(swipes, replace=False)
    with swipes.workspace() as workspace:
        leases = leases_of(workspace)
        leases.say(NAMED)
        leases.say(NAMED._replace(id="b2"))  # which nobody writes
        assert leases.has_ended(NAMED, 2**52)
        assert not leases.has_ended(NAMED._replace(id="b2"), 2**52)
