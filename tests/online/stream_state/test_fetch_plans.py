"""What is asked of each master and what its replies mean, where views, masters and asks are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random

import pytest
import redis

from featurectl.core.errors import StoreError
from featurectl.online.redis.connect import StoreAddress
from featurectl.online.redis.stream_fetch import FetchPlan
from featurectl.online.redis.stream_keys import list_ends
from featurectl.online.redis.trips import RedisCommand
from featurectl.online.stream_state.base import EntityList, Generation, ListsAsk, StreamPoll, StreamSource
from tests.seeds import seeds_from

SOURCE = StreamSource(project="shop", env="dev", source="swipes")
ADDRESS = StoreAddress(url="redis://played", shown="redis://played")
DONE = 7
VIEWS = {"a@1": "one", "b@1": "two", "c@1": "three"}


def played(
    commands: Sequence[RedisCommand], master: int, marks: Mapping[int, int], gone: frozenset[str] = frozenset()
) -> list[object]:
    """Return the replies of a master: a list says its key, a mark is of the master, and some generations are gone."""

    def field(name: str) -> bytes | None:
        if name.startswith("mark/"):
            return b"%d" % marks[master]
        return None if any(f"/{each}#" in name for each in gone) else b"1"

    def reply(command: RedisCommand) -> object:
        if command[0] == "LRANGE":
            return [command[1]]
        assert command[0] == "HMGET"
        return [field(str(name)) for name in command[2:]]

    return [reply(command) for command in commands]


def asked(random: Random) -> list[ListsAsk]:
    """Return asks of some views, some of them twice, without entities, or not live."""
    return [
        ListsAsk(
            view=random.choice([*VIEWS, "gone@1"]),
            entities=[b"%d" % random.randrange(9) for _ in range(random.choice([0, 1, 2, 5]))],
        )
        for _ in range(random.choice([1, 2, 4]))
    ]


def poll() -> StreamPoll:
    return StreamPoll(asof=100, live=VIEWS, done={0: DONE})


@pytest.mark.parametrize("seed", seeds_from(0, 40))
def test_each_list_comes_to_its_place_from_its_master(seed: int):
    random = Random(seed)
    masters, asks = random.choice([1, 2, 3]), asked(random)
    marks = {master: random.choice([DONE - 1, DONE, DONE, DONE + 1]) for master in range(masters)}
    gone = frozenset(random.sample([*VIEWS], random.choice([0, 0, 1])))
    owners: dict[bytes, int] = {}

    def owner(key: bytes) -> int:
        return owners.setdefault(key, random.randrange(masters))

    plan = FetchPlan(SOURCE, poll(), asks, (owner, lambda master: [b"%d" % master]))
    for master, leg in random.sample([*plan.legs.items()], len(plan.legs)):
        replies = played(leg.commands(), master, marks, gone)
        plan.settle(leg, leg.read(ADDRESS, replies))
    answers = plan.answers()
    for ask, answer in zip(asks, answers, strict=True):
        assert (answer.asof, answer.generation) == (100, VIEWS.get(ask.view))
        if ask.view not in VIEWS:
            assert answer.lists is None
            continue
        assert answer.lists is not None
        for entity, found in zip(ask.entities, answer.lists, strict=True):
            before, behind = list_ends(SOURCE, Generation(view=ask.view, id=VIEWS[ask.view]))
            key = before + entity + behind
            is_whole = ask.view not in gone and marks[owners[key]] >= DONE
            assert found == (EntityList([key], {0: marks[owners[key]]}) if is_whole else None)
    assert plan.has_gone == any(found is None for answer in answers for found in answer.lists or ())


def test_a_key_of_another_program_is_named_among_several_asks():
    asks = [ListsAsk(view="a@1", entities=[b"1", b"2"]), ListsAsk(view="b@1", entities=[b"3", b"4"])]
    plan = FetchPlan(SOURCE, poll(), asks, (lambda _: 0, lambda _: [b"tag"]))
    [leg] = plan.legs.values()
    commands = leg.commands()
    replies = played(commands, 0, {0: DONE})
    [place] = [i for i, command in enumerate(commands) if command[0] == "LRANGE" and b"{3}" in bytes(command[1])]
    replies[place] = redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
    with pytest.raises(StoreError, match=r"\{3\}"):
        leg.read(ADDRESS, replies)
