"""Random appends, seeds, compactions and removals: every store has the lists that a dict of lists has."""

from __future__ import annotations

from contextlib import closing
from random import Random

import pytest

from featurectl.online.stream_state.base import (
    Generation,
    ListAppend,
    ListReplacement,
    ListsAsk,
    ListSeed,
    digest_of,
    is_head,
)
from tests.online.stream_state.test_lists import begin
from tests.seeds import seeds_from

VIEWS = ("a@1", "b@2")
KEYS = [b"", b"i1:1", b"s2:}{", b"s3:a b", b"i2:22", b"i3:333"]
Lists = dict[tuple[Generation, bytes], list[bytes]]


class RandomLists:
    """A store and its oracle: lists by generation and entity."""

    def __init__(self, seed: int, state, connection, source) -> None:
        self.random = Random(seed)
        self.state, self.connection, self.source = state, connection, source
        self.lists: Lists = {}
        self.live = {view: Generation(view=view, id=f"g{seed}x0") for view in VIEWS}
        self.heads = 0
        for generation in self.live.values():
            begin(connection, generation)

    def play(self, steps: int) -> None:
        for step in range(steps):
            actions = [self.append, self.append, self.replace, self.replace, self.seed, self.switch]
            self.random.choices(actions, [6, 6, 4, 4, 2, 0.4])[0](step)
        self.compare()

    def element(self) -> bytes:
        return bytes([self.random.randrange(128)]) + self.random.randbytes(self.random.choice([0, 3, 70, 900]))

    def head(self) -> bytes:
        self.heads += 1
        return b"\x81%d" % self.heads

    def append(self, _: int) -> None:
        appends = []
        for generation in self.random.sample([*self.live.values()], self.random.choice([1, 2])):
            entities = self.random.choices(KEYS, k=self.random.randrange(1, 9))
            elements = [self.element() for _ in entities]
            appends.append(ListAppend(generation=generation, entities=entities, elements=elements))
            for entity, element in zip(entities, elements, strict=True):
                self.lists.setdefault((generation, entity), []).append(element)
        expected = [{key: len(self.lists[of.generation, key]) for key in of.entities} for of in appends]
        assert self.connection.lists.append(appends) == expected

    def replace(self, _: int) -> None:
        """Replace what was read, some of it read wrongly."""
        wanted, expected = [], []
        for key in self.random.sample(KEYS, 3):
            generation = self.live[self.random.choice(VIEWS)]
            there = self.lists.get((generation, key), [])
            read = there[: self.random.randrange(1, 12)]
            if self.random.random() < 0.2:
                read = [*read[:-1], self.element()]
            left = [each for each in read if not is_head(each) and self.random.random() < 0.3]
            alone = None if self.random.random() < 0.4 else self.head()
            one = ListReplacement(
                generation=generation,
                entity=key,
                read=len(read),
                digest=digest_of(read),
                head=self.head(),
                left=left,
                alone=alone,
            )
            wanted.append(one)
            expected.append(self.replaced(one, read))
        assert self.connection.lists.replace(wanted) == expected

    def replaced(self, wanted: ListReplacement, read: list[bytes]) -> bool:
        place = wanted.generation, wanted.entity
        there = self.lists.get(place, [])
        if not read or there[: len(read)] != read:
            return False
        behind = [*wanted.left, *there[len(read) :]]
        head = wanted.head if behind else wanted.alone
        self.lists[place] = [] if head is None else [head, *behind]
        return True

    def seed(self, _: int) -> None:
        generation = self.live[self.random.choice(VIEWS)]
        seeds = [ListSeed(entity=key, head=self.head()) for key in self.random.sample(KEYS, 2)]
        self.connection.lists.seed(generation, seeds)
        for of in seeds:
            there = self.lists.setdefault((generation, of.entity), [])
            if not (there and is_head(there[0])):
                there.insert(0, of.head)

    def switch(self, step: int) -> None:
        self.compare()
        view = self.random.choice(VIEWS)
        old, new = self.live[view], Generation(view=view, id=f"n{step}")
        begin(self.connection, new)
        self.state.drop_lists(self.source, old)
        self.live[view] = new
        self.lists = {place: elements for place, elements in self.lists.items() if place[0] != old}

    def compare(self) -> None:
        for view, generation in self.live.items():
            [answer] = self.state.read(self.source, [ListsAsk(view=view, entities=KEYS)])
            found = [[*each.elements] for each in answer.lists]
            assert found == [self.lists.get((generation, key), []) for key in KEYS]
            walked = {key for page in self.state.walk_lists(self.source, generation) for key in page}
            assert walked == {key for key in KEYS if self.lists.get((generation, key))}


def play(opened, source, seeds: range, steps: int) -> None:
    for seed in seeds:
        of = type(source)(project=f"{source.project}x{seed}", env="dev", source="swipes")
        with closing(opened()) as state, closing(state.connect(of)) as connection:
            RandomLists(seed, state, connection, of).play(steps)


def test_lists_are_those_of_a_dict_whatever_is_done_with_them(opened, source):
    play(opened, source, seeds_from(0, 2), 80)


@pytest.mark.stress
def test_lists_are_those_of_a_dict_in_many_sequences(opened, source):
    play(opened, source, seeds_from(2, 200), 300)
