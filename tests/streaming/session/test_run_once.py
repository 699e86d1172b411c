"""`stream run --once`: what is there is taken, with the history of before, and the command ends."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.online.stream_state.base import ListsAsk, StreamSource
from featurectl.online.stream_state.protocols import StreamConnection
from featurectl.streaming import quiet_lists
from featurectl.streaming.seeding import Seeding, SeedingState
from tests.streaming.session.swipes import LIMIT_S, OBJECTS, Swipes, emptied


def ran(capsys: pytest.CaptureFixture[str], swipes: Swipes, *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(["-C", str(swipes.root), "stream", "run", *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_is_there_is_taken_with_the_history_of_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(3)
    swipes.send_texts("{", json.dumps({"swipe": 9, "amount": 5000.0, "at": "2026-01-01T00:00:00Z"}))
    code, out, err = ran(capsys, swipes, "--once")
    assert (code, "3 events taken of 1 stream, 2 rejected." in out) == (0, True), out + err
    assert "swipes: views spend@1" in err
    assert swipes.values() == {"amount_sum_1h": 103.0, "amount_count_1h": 4}
    assert swipes.values("c2") == {"amount_sum_1h": 50.0, "amount_count_1h": 1}
    assert (swipes.logged(), swipes.rejected().height) == (5, 2)
    swipes.send(2)
    code, out, _ = ran(capsys, swipes, "swipes", "--once", "-q", "-o", "json")
    [found] = json.loads(out)["result"]["sources"]
    assert (code, found["events"], found["logged"], found["rebuilt"], found["problem"]) == (0, 2, 2, 0, "")
    assert swipes.values() == {"amount_sum_1h": 105.0, "amount_count_1h": 6}


@pytest.mark.long
def test_events_without_a_key_are_counted_and_taken_by_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    whole = "  - name: all_spend\n    source: swipes\n    aggregates: [{column: amount, op: sum, windows: [1h]}]\n"
    taken = OBJECTS.replace("    source: swipes\n", "    source: swipes\n    where: amount > 0\n")
    swipes = Swipes(root=tmp_path, objects=taken + whole)
    swipes.send(2)
    swipes.send(3, card=None)
    swipes.send(1, card=None, amount=-1.0)  # the view does not take it
    code, out, _ = ran(capsys, swipes, "--once")
    assert (code, "swipes: 3 events left out of spend@1: a null key" in out) == (0, True), out
    assert "6 events taken of 1 stream, 0 rejected." in out
    assert swipes.values() == {"amount_sum_1h": 102.0, "amount_count_1h": 3}
    assert main(["-C", str(tmp_path), "get", "all_spend", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["features"]["amount_sum_1h"]["value"] == 154.0
    assert main(["-C", str(tmp_path), "stream", "status"]) == 0
    assert "6 events in its last minute, 0.1 a second, 3 left out of spend@1: a null key" in capsys.readouterr().out
    swipes.send(1, card=None)
    code, out, _ = ran(capsys, swipes, "--once", "-q", "-o", "json")
    [found] = json.loads(out)["result"]["sources"]
    assert (code, found["null_keys"], found["rejected"]) == (0, {"spend@1": 1}, 0)


@pytest.mark.long
def test_the_log_of_a_worker_that_ended_says_all_that_answers_say(tmp_path: Path):
    swipes = Swipes(root=tmp_path)
    swipes.send(3)
    for _ in range(2):  # with events, and without
        assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
        with swipes.workspace() as workspace, closing(workspace.stream_state()) as state:
            poll = state.read_poll(StreamSource(project="shop", env="dev", source="swipes"))
            log = workspace.event_log(workspace.repo.sources["swipes"]).open()
        assert (log.state.asof_us, poll.asof > 0) == (poll.asof, True)


def test_what_can_not_be_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    code, _, err = ran(capsys, swipes, "--once", "--env", "fixed")
    assert (code, "environment fixed has a fixed clock" in err) == (64, True)
    code, _, err = ran(capsys, swipes, "--once", "swipe")
    assert (code, "did you mean" in err) == (64, True), err
    code, _, err = ran(capsys, swipes, "--once", "swipes_files")
    assert (code, "source swipes_files is no stream" in err) == (64, True)


def test_nothing_applied_and_no_stream_are_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    (tmp_path / "r.db").unlink()
    code, _, err = ran(capsys, swipes, "--once")
    assert (code, "nothing is applied of project shop" in err) == (1, True)
    stream = OBJECTS[OBJECTS.index("  - name: swipes\n") : OBJECTS.index("  - name: swipes_files")]
    swipes.apply(OBJECTS.replace(stream, "").replace("source: swipes\n", "source: swipes_files\n"))
    code, _, err = ran(capsys, swipes, "--once")
    assert (code, "no source that is applied in project shop is a stream" in err) == (64, True)


@pytest.mark.long
def test_a_history_that_can_not_be_read_ends_it_once_all_is_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    swipes = Swipes(root=tmp_path)
    swipes.send(2)
    history = tmp_path / "history.csv"
    history.rename(tmp_path / "gone.csv")
    code, _, err = ran(capsys, swipes, "--once")
    assert (code, "swipes: lists can't be made: " in err, "error[FC501]" in err) == (1, True, True), err
    assert (swipes.logged(), swipes.values()) == (2, None)
    (tmp_path / "gone.csv").rename(history)
    assert ran(capsys, swipes, "--once")[0] == 0
    assert swipes.values() == {"amount_sum_1h": 102.0, "amount_count_1h": 3}


@pytest.mark.long
@pytest.mark.parametrize("count", [60, 5_100])
def test_lists_that_grow_by_runs_that_end_are_compacted(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch):
    """Of as many elements as a turn compacts, and of more, which a turn leaves to others: before these have looked."""
    monkeypatch.setattr(quiet_lists, "_LOOK_S", LIMIT_S)
    swipes = Swipes(root=tmp_path)
    swipes.send(1)
    for _ in range(2):
        assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
        swipes.send(count)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    with swipes.workspace() as workspace, closing(workspace.stream_state()) as state:
        place = StreamSource(project="shop", env="dev", source="swipes")
        [answer] = state.read(place, [ListsAsk(view="spend@1", entities=[b"s2:c1"])])
    assert answer.lists is not None
    assert answer.lists[0] is not None
    assert len(answer.lists[0].elements) < 48
    assert swipes.values() == {"amount_sum_1h": 101.0 + 2 * count, "amount_count_1h": 2 + 2 * count}


@pytest.mark.sample(1)
@pytest.mark.parametrize("online", ["sqlite", "redis_url", pytest.param("postgres_url", marks=pytest.mark.long)])
@pytest.mark.parametrize("count", [60, pytest.param(5_100, marks=pytest.mark.long)])
def test_lists_that_grow_while_they_are_made_are_compacted(
    tmp_path: Path, request: pytest.FixtureRequest, online: str, count: int, monkeypatch: pytest.MonkeyPatch
):
    """Of a fresh repository: the events come when the lists are named, and these are read when all are taken."""
    url = "sqlite:///on.db" if online == "sqlite" else request.getfixturevalue(online)
    swipes = Swipes(root=tmp_path, online=emptied(url) if online == "redis_url" else url)
    swipes.send(1)
    begin, step = Seeding.__init__, Seeding.step

    def beginning(seeding: Seeding, *given: object) -> None:
        begin(seeding, *given)  # type: ignore[arg-type]
        swipes.send(count)

    def stepping(seeding: Seeding, connection: StreamConnection) -> SeedingState:
        done = sum(of.done for of in connection.register.read_state().partitions)
        return "waits" if done < swipes.sent else step(seeding, connection)

    monkeypatch.setattr(Seeding, "__init__", beginning)
    monkeypatch.setattr(Seeding, "step", stepping)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    monkeypatch.undo()
    with swipes.workspace() as workspace, closing(workspace.stream_state()) as state:
        place = StreamSource(project="shop", env="dev", source="swipes")
        [answer] = state.read(place, [ListsAsk(view="spend@1", entities=[b"s2:c1"])])
    assert answer.lists is not None
    assert answer.lists[0] is not None
    assert len(answer.lists[0].elements) < 48
    assert swipes.values() == {"amount_sum_1h": 101.0 + count, "amount_count_1h": 2 + count}
