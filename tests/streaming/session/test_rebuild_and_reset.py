"""`stream rebuild` beside workers and without any, and `stream reset` of a topic that was made again."""

from __future__ import annotations

import json
import os
import shutil
import signal
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import TryAgainError
from featurectl.core.progress import Silent
from featurectl.online.stream_state.base import Generation, KnownStamps, StreamSource
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.render.stream_run import render_reset, reset_json
from featurectl.streaming.reset import ResetPartition, StreamReset
from featurectl.streaming.seeding import Seeding, SeedingState
from featurectl.streaming.session.rebuild_views import rebuild_views
from tests.streaming.session.running import running
from tests.streaming.session.swipes import Swipes, wait_for

PLACE = StreamSource(project="shop", env="dev", source="swipes")


def ran(capsys: pytest.CaptureFixture[str], swipes: Swipes, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["-C", str(swipes.root), "stream", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def generations(swipes: Swipes) -> int:
    """How many generations of lists the store's file has rows of."""
    with (
        swipes.workspace() as workspace,
        closing(workspace.stream_state()) as state,
        closing(state.connect(PLACE)) as connection,
    ):
        return len(connection.register.read_state().named())


@pytest.mark.long
def test_lists_are_made_anew_without_a_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    code, _, err = ran(capsys, swipes, "rebuild", "spend")
    assert (code, "there is no topic swipes at sqlite:///streams.db" in err) == (69, True), err
    swipes.send(4)
    code, _, err = ran(capsys, swipes, "rebuild", "spend")
    assert (code, "no worker has begun with all partitions of source swipes" in err) == (64, True), err
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    history = (tmp_path / "history.csv").read_text()
    (tmp_path / "history.csv").write_text(history.replace("c1,100", "c1,700"))
    code, out, err = ran(capsys, swipes, "rebuild", "spend@1", "-o", "json")
    assert (code, json.loads(out)["result"]["views"][0]["view"]) == (0, "spend@1"), err
    assert swipes.values() == {"amount_sum_1h": 704.0, "amount_count_1h": 5}
    assert generations(swipes) == 1


@pytest.mark.long
def test_a_rebuild_that_is_ended_gives_its_lists_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    step = Seeding.step
    before = signal.signal(signal.SIGTERM, lambda *_: pytest.fail("nobody heard it"))

    def ended(seeding: Seeding, connection: StreamConnection) -> SeedingState:
        os.kill(os.getpid(), signal.SIGTERM)
        return step(seeding, connection)

    monkeypatch.setattr(Seeding, "step", ended)
    assert ran(capsys, swipes, "rebuild", "spend")[0] == 130
    signal.signal(signal.SIGTERM, before)
    assert generations(swipes) == 1


def test_what_retention_removed_is_not_said_to_be_taken():
    passed = ResetPartition(name="swipes/0#a1", logged=5, taken=9)
    text = render_reset("swipes", StreamReset(retired=(passed,), begun=("swipes/0#a1",), rebuilds=True))
    assert text.splitlines() == [
        "swipes/0#a1: what lay from offset 5 to before 9 is gone, and in no log",
        "swipes: 1 partition passed it. What was logged stays.",
        "Workers make all lists anew from the log; until then there are no answers.",
    ]


@pytest.mark.parametrize("are_times", [False, True])
def test_offsets_that_are_times_count_no_events(*, are_times: bool):
    retired = (
        ResetPartition(name="swipes/0#a1", logged=5, taken=9),
        ResetPartition(name="swipes/1#a1", logged=5, taken=5),
    )
    reset = StreamReset(retired=retired, begun=("swipes/0#b2",), rebuilds=False, offsets_are_times=are_times)
    said, *_ = render_reset("swipes", reset).splitlines()
    assert said == "swipes/0#a1: " + (
        "some events between offsets 5 and 9 (nothing tells how many) were taken and are in no log"
        if are_times
        else "4 offsets were taken and are in no log"
    )
    found = cast("list[dict[str, object]]", reset_json(reset)["retired"])
    assert [of["lost"] for of in found] == [None if are_times else 4, 0]


def test_what_can_not_be_rebuilt_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    code, _, err = ran(capsys, swipes, "rebuild", "spent")
    assert (code, "did you mean" in err) == (64, True), err
    code, _, err = ran(capsys, swipes, "rebuild", "spend@7")
    assert (code, "views of streams that are kept online: spend@1" in err) == (64, True), err
    code, _, err = ran(capsys, swipes, "rebuild", "spend", "--env", "fixed")
    assert (code, "environment fixed has a fixed clock" in err) == (64, True)


def name_lists(swipes: Swipes, *, replace: bool) -> None:
    """Name other lists of the view, as a rebuild does; `replace`: and give up those that are read."""
    with (
        swipes.workspace() as workspace,
        closing(workspace.stream_state()) as state,
        closing(state.connect(PLACE)) as connection,
    ):
        for each in connection.register.read_state().named() if replace else ():
            connection.generations.drop(each)
        connection.generations.add(Generation(view="spend@1", id="a1"))


def test_what_a_killed_rebuild_left_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    _, out, _ = ran(capsys, swipes, "status")
    assert "featurectl stream rebuild" not in out
    name_lists(swipes, replace=False)
    _, out, _ = ran(capsys, swipes, "status")
    assert "lists    of spend@1 are being made; those of a killed rebuild go in minutes, or by:" in out
    assert "         featurectl stream rebuild spend@1\n" in out
    assert ran(capsys, swipes, "rebuild", "spend@1")[0] == 0
    assert generations(swipes) == 1
    _, out, _ = ran(capsys, swipes, "status")
    assert "featurectl stream rebuild" not in out


@pytest.mark.long
def test_lists_are_made_anew_beside_a_worker(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    with running(swipes):
        swipes.send(4)
        wait_for(lambda: (swipes.values() or {}).get("amount_count_1h") == 5)
        code, out, err = ran(capsys, swipes, "rebuild", "spend")
        assert (code, "spend@1: lists made anew in" in out) == (0, True), err
        swipes.send(3)
        wait_for(lambda: swipes.values() == {"amount_sum_1h": 107.0, "amount_count_1h": 8})


@pytest.mark.long
def test_what_nobody_logs_is_not_waited_for_for_ever(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    with swipes.workspace() as workspace:
        with closing(workspace.stream_state()) as state, closing(state.connect(PLACE)) as connection:
            of = connection.register.read_state().partitions[0]
            connection.register.claim(of.number, of.end, of.end + 1, KnownStamps())  # as one that was killed then
        with pytest.raises(TryAgainError, match="no worker puts them there"):
            rebuild_views(workspace, ["spend"], Silent(), patience_s=0.5)
    assert generations(swipes) == 1
    assert swipes.values() == {"amount_sum_1h": 104.0, "amount_count_1h": 5}


@pytest.mark.long
def test_a_topic_that_was_made_again_is_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    code, _, err = ran(capsys, swipes, "reset", "swipes")
    assert (code, "it was not made again since" in err) == (64, True), err
    for file in tmp_path.glob("streams.db*"):
        file.unlink()
    swipes.send(2)
    code, _, err = ran(capsys, swipes, "run", "--once")
    assert (code, "featurectl stream reset SOURCE" in err) == (69, True), err
    code, out, err = ran(capsys, swipes, "reset", "swipes")
    assert (code, "4 partitions of before retired, 4 partitions begin" in out) == (0, True), err
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    assert swipes.values() == {"amount_sum_1h": 106.0, "amount_count_1h": 7}
    assert swipes.logged() == 6


@pytest.mark.long
def test_a_stream_whose_log_was_lost_begins_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(4)
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    code, _, err = ran(capsys, swipes, "reset", "swipes", "--log-lost")
    assert (code, "has all that was logged" in err) == (64, True), err
    [log] = (tmp_path / "off").rglob("_delta_log")
    shutil.rmtree(log.parent)
    code, _, err = ran(capsys, swipes, "run", "--once")
    assert (code, "FC617" in err) == (69, True), err
    code, out, err = ran(capsys, swipes, "reset", "swipes", "--log-lost")
    assert (code, "workers begin anew" in out) == (0, True), err
    assert ran(capsys, swipes, "run", "--once")[0] == 0
    assert swipes.values() == {"amount_sum_1h": 104.0, "amount_count_1h": 5}
