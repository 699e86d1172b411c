"""`clean` takes the lists of a stream that is not applied any more, and its events where that is asked for."""

from __future__ import annotations

import json
import os
from contextlib import closing

import pytest

from featurectl.cli.main import main
from featurectl.online.stream_state.base import Generation, StreamSource
from tests.streaming.session.swipes import OBJECTS, Swipes, emptied

WITHOUT = "sources: [{name: others, path: history.csv, columns: {card: string}}]\n"


def cleaned(swipes, capsys, *options):
    capsys.readouterr()
    assert main(["-C", str(swipes.root), "clean", "-o", "json", *options]) == 0
    left = json.loads(capsys.readouterr().out)["result"]["leftovers"]
    return [
        (item["kind"], item["name"], item["entities"]) for item in left if item["kind"] in ("stream lists", "events")
    ]


def lists(swipes):
    """How many entities have a list of the view."""
    place = StreamSource(project="shop", env="dev", source="swipes")
    with swipes.workspace() as workspace, closing(workspace.stream_state()) as store:
        named = store.read_register(place).named()  # who connects makes a register where there is none
        found = [store.walk_lists(place, Generation(view=each.view, id=each.id)) for each in named]
        return sum(len(entities) for walk in found for entities in walk)


@pytest.mark.long
@pytest.mark.parametrize("online", ["sqlite", "redis"])
@pytest.mark.parametrize("partitions", [0, 2])
def test_a_stream_that_never_began_leaves_nothing(tmp_path, capsys, request, online, partitions):
    url = "sqlite:///on.db" if online == "sqlite" else emptied(request.getfixturevalue("redis_url"))
    swipes, place = Swipes(root=tmp_path, online=url), StreamSource(project="shop", env="dev", source="swipes")
    with swipes.workspace() as workspace, closing(workspace.stream_state()) as store:
        with closing(store.connect(place)) as connection:  # as a worker that is killed before it has taken anything
            for number in range(partitions):
                connection.register.add_partition(f"swipes/{number}")
        assert (store.read_register(place).run != "", store.read_poll(place).asof) == (True, 0)
    swipes.apply(WITHOUT, "swipes", "swipes_files", "spend", "card")
    assert cleaned(swipes, capsys) == [("stream lists", "swipes", 0)]
    assert cleaned(swipes, capsys) == []
    with swipes.workspace() as workspace, closing(workspace.stream_state()) as store:
        found = store.read_register(place)
        assert (found.run, found.partitions) == ("", [])


@pytest.mark.long
@pytest.mark.parametrize("online", ["sqlite", "redis"])
def test_a_removed_stream_leaves_nothing_that_is_not_asked_for(tmp_path, capsys, request, online):
    url = "sqlite:///on.db" if online == "sqlite" else emptied(request.getfixturevalue("redis_url"))
    swipes = Swipes(root=tmp_path, online=url)
    swipes.send(2)
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    assert (lists(swipes), cleaned(swipes, capsys, "--events")) == (2, [])
    swipes.apply(WITHOUT, "swipes", "swipes_files", "spend", "card")
    for path in (tmp_path / "off").rglob("*"):
        os.utime(path, (1, 1))
    wanted = ("stream lists", "swipes", 2)
    assert cleaned(swipes, capsys, "--dry-run") == [wanted]
    assert cleaned(swipes, capsys, "--dry-run", "--events") == [wanted, ("events", "swipes", None)]
    assert cleaned(swipes, capsys) == [wanted]
    assert (lists(swipes), cleaned(swipes, capsys), swipes.logged_in("off")) == (0, [], True)
    assert cleaned(swipes, capsys, "--events") == [("events", "swipes", None)]
    assert not swipes.logged_in("off")
    swipes.apply(OBJECTS, "others")  # it begins anew: what the topic has is taken again
    assert main(["-C", str(tmp_path), "stream", "run", "--once", "-q"]) == 0
    assert swipes.values(view="spend@1") == {"amount_sum_1h": 102.0, "amount_count_1h": 3}
