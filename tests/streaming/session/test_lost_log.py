"""A log that was lost, or is an older one, is an error that says so; the stream begins anew when that is asked for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import closing

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import StoreError, UsageError
from featurectl.online.stream_state.base import StreamSource
from featurectl.streaming.lost_log import begin_without_log
from featurectl.streaming.reset import ResettableStream
from featurectl.streaming.topics.all_topic_kinds import open_topics
from tests.streaming.session.running import running
from tests.streaming.session.swipes import LIMIT_S, Swipes, emptied, wait_for


def run_once(swipes):
    return main(["-C", str(swipes.root), "stream", "run", "--once", "-q"])


def begin_anew(swipes):
    with swipes.workspace() as workspace, closing(workspace.stream_state()) as state:
        source = workspace.repo.sources["swipes"]
        place = StreamSource(project="shop", env="dev", source="swipes")
        with closing(open_topics(workspace.topic_url(source))) as broker:
            stream = ResettableStream(
                place=place,
                state=state,
                log=workspace.event_log(source),
                topic=lambda: broker.state("swipes"),
                watermarks=lambda: broker.watermarks("swipes"),
            )
            begin_without_log(stream)


def gaps(swipes):
    with swipes.workspace() as workspace:
        return workspace.event_log(workspace.repo.sources["swipes"]).open().state.gaps


@pytest.mark.parametrize("online", ["sqlite", pytest.param("redis", marks=pytest.mark.long)])
def test_a_log_that_is_gone_ends_a_worker_and_the_topic_is_taken_again(tmp_path, capsys, request, online):
    url = "sqlite:///on.db" if online == "sqlite" else emptied(request.getfixturevalue("redis_url"))
    swipes = Swipes(root=tmp_path, online=url)
    swipes.send(3)
    assert run_once(swipes) == 0
    with pytest.raises(UsageError, match="has all that was logged"):
        begin_anew(swipes)
    shutil.rmtree(tmp_path / "off")
    (tmp_path / "off").mkdir()
    swipes.send(1)
    capsys.readouterr()
    for _ in range(2):
        assert run_once(swipes) == 69
        assert not list((tmp_path / "off").rglob("_delta_log"))
    said = capsys.readouterr().err
    assert "error[FC617]: the log off/shop/_streams/dev/swipes" in said
    assert "ends at offset 0 of partition swipes/0" in said
    begin_anew(swipes)
    assert run_once(swipes) == 0
    assert (swipes.values(), swipes.logged()) == ({"amount_sum_1h": 104.0, "amount_count_1h": 5}, 4)


@pytest.mark.long
def test_an_older_log_keeps_its_stamps_and_names_the_gap(tmp_path, capsys):
    swipes = Swipes(root=tmp_path)
    swipes.send(3)
    assert run_once(swipes) == 0
    shutil.copytree(tmp_path / "off", tmp_path / "kept")
    swipes.send(2)
    assert run_once(swipes) == 0
    assert gaps(swipes) == ()
    shutil.rmtree(tmp_path / "off")
    (tmp_path / "kept").rename(tmp_path / "off")
    assert run_once(swipes) == 69
    assert "and was there up to 5" in capsys.readouterr().err
    begin_anew(swipes)
    assert run_once(swipes) == 0
    assert (swipes.values(), swipes.logged(), len(gaps(swipes))) == (
        {"amount_sum_1h": 105.0, "amount_count_1h": 6},
        5,
        1,
    )


def has_log(swipes):
    return bool([*(swipes.root / "off").rglob("_delta_log")])


def is_log_made(swipes):
    """Whether its first commit is done."""
    with swipes.workspace() as workspace:
        return workspace.event_log(workspace.repo.sources["swipes"]).open().version is not None


def has_logged(swipes, count):
    """Whether so many events are in the log; for a moment it can't be read, as what was begun without it goes."""
    try:
        return is_log_made(swipes) and swipes.logged() == count
    except StoreError:
        return False


def has_kept(swipes, count):
    """Whether the register has let go of so many stamps, as the log has them: without it they are lost from then on."""
    place = StreamSource(project="shop", env="dev", source="swipes")
    with (
        swipes.workspace() as workspace,
        closing(workspace.stream_state()) as state,
        closing(state.connect(place)) as of,
    ):
        return sum(partition.kept for partition in of.register.read_state().partitions) == count


def lose_log(swipes):
    """Take the offline store away at once, whatever a worker writes there just now."""
    (swipes.root / "off").rename(swipes.root / "lost")
    (swipes.root / "off").mkdir(exist_ok=True)


@pytest.mark.long
def test_a_log_that_goes_under_a_worker_ends_it_and_is_not_made_again(tmp_path):
    swipes = Swipes(root=tmp_path)
    swipes.send(3)
    command = [sys.executable, "-m", "featurectl", "-C", str(tmp_path), "stream", "run"]
    with (tmp_path / "worker.log").open("wb") as told, subprocess.Popen(command, stderr=told, stdout=told) as worker:
        try:
            wait_for(lambda: is_log_made(swipes) and swipes.logged() == 3)
            wait_for(lambda: has_kept(swipes, 3))
            lose_log(swipes)
            swipes.send(2)
            assert worker.wait(LIMIT_S) == 69
        finally:
            worker.kill()
    assert "error[FC617]: the log off/shop/_streams/dev/swipes" in (tmp_path / "worker.log").read_text()
    assert not has_log(swipes)


@pytest.mark.long
def test_a_log_of_nothing_that_goes_under_a_worker_is_made_again(tmp_path):
    swipes = Swipes(root=tmp_path)
    with running(swipes):
        wait_for(lambda: is_log_made(swipes))
        lose_log(swipes)
        swipes.send(2)
        wait_for(lambda: has_logged(swipes, 2))
