"""The register of every store answers as the simulation's, whatever is asked of it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from featurectl.online.stream_state.base import Generation, KnownStamps, ReadingPosition, RetiredPartition
from featurectl.online.stream_state.protocols import StreamConnection
from tests.online.stream_state.oracle import Oracle, offsets, ranges
from tests.seeds import seeds_from

CALLS = 60
VIEWS = ["a@1", "b@1"]


class Calls:
    """Random calls to a register and to the oracle."""

    def __init__(self, seed: int, connection: StreamConnection) -> None:
        self.random = Random(seed)
        self.connection = connection
        self.oracle = Oracle()
        self.clock = 1_000

    def play(self) -> None:
        for _ in range(CALLS):
            self.clock += self.random.choice([-30, 0, 1, 5, 40])
            names = ["claim", "claim", "claim", "finish", "finish", "beat", "forget", "add", "generation", "lose"]
            names += ["retire"] if self.random.random() < 0.3 else []
            getattr(self, f"_{self.random.choice(names)}")()
            self.compare()

    def compare(self) -> None:
        oracle, register = self.oracle, self.connection.register
        state = register.read_state()
        assert (state.asof, state.last) == (oracle.asof, oracle.model.last)
        found = [(of.name, of.number, of.kept, of.done, of.end, of.applied) for of in state.partitions]
        parts = zip(oracle.names, oracle.kept, oracle.model.partitions, strict=True)
        assert found == [(name, p, kept, o.done, o.end, o.applied) for p, (name, kept, o) in enumerate(parts)]
        views = {view: (of.live, [*of.named]) for view, of in state.views.items()}
        assert views == {view: (of.live, of.named) for view, of in oracle.views.items()}
        for p in range(len(oracle.names)):
            assert offsets(register.read_stamps(p, 0, 10_000)) == oracle.stamps(p)

    def partition(self) -> int:
        return self.random.randrange(len(self.oracle.names) + (self.random.random() < 0.05)) if self.oracle.names else 0

    def end(self, p: int) -> int:
        return self.oracle.model.partitions[p].end if p < len(self.oracle.names) else 0

    def _add(self) -> None:
        """Add a partition, or begin stamps at some instant."""
        name = f"swipes/{self.random.randrange(4)}"
        assert self.connection.register.add_partition(name) == self.oracle.add_partition(name)
        if self.random.random() < 0.5:
            least = self.random.choice([None, self.clock + self.random.randrange(-20, 20)])
            wanted = self.oracle.begin_stamps(self.clock if least is None else least)
            assert self.connection.register.begin_stamps(least) == wanted

    def _lose(self) -> None:
        """A new partition stands for lost stamps as well: what a worker says it knows is random."""
        if self.random.random() < 0.2:
            self.connection.generations.void()
            self.oracle.void()

    def _retire(self) -> None:
        """Retire some partitions at what may be logged of them: all, less, or more than the register has."""
        retired = []
        for name in self.random.sample([f"swipes/{n}" for n in range(5)], self.random.randrange(3)):
            p = self.oracle.names.index(name) if name in self.oracle.names else len(self.oracle.names)
            end = max(0, self.end(p) + self.random.choice([0, 0, 0, -2, 2]))
            stamp, taken = int(self.oracle.model.last) - 3 + 2 * end, self.random.choice([None, self.end(p)])
            retired.append(RetiredPartition(name=name, end=end, stamp=stamp, taken=taken))
        asof, last = self.oracle.asof, self.oracle.model.last
        before = {name: of.live for name, of in self.oracle.views.items()}
        self._is_refused(retired)
        found = self.connection.register.retire(retired)
        lost = self.oracle.retire(retired)
        assert found is not None
        assert (found.asof, found.last, found.lost_from) == (asof, last, lost)
        if not found.gave_up:
            assert before == {name: of.live for name, of in self.oracle.views.items()}

    def _is_refused(self, retired: list[RetiredPartition]) -> None:
        """Nothing is retired where more was taken than was looked at, or answers are later than was told."""
        state = self.connection.register.read_state()
        active = {of.name for of in state.partitions if not of.is_retired}
        for place, of in enumerate(retired):
            if of.name in active:
                other = [
                    *retired[:place],
                    replace(of, taken=self.random.randrange(90_000, 99_999)),
                    *retired[place + 1 :],
                ]
                assert self.connection.register.retire(other) is None
        if latest := max(state.asof, state.last):
            assert self.connection.register.retire(retired, latest - 1) is None

    def _known(self, p: int, first: int) -> KnownStamps:
        random, oracle = self.random, self.oracle
        there = oracle.whole_stamps(p) if p < len(oracle.names) else {}
        logged = {offset: stamp for offset, stamp in there.items() if offset >= first and random.random() < 0.95}
        own: dict[int, int] = {}
        for known in (logged, own):
            stamp = int(oracle.model.last) + random.randrange(-20, 20)
            for offset in range(self.end(p), self.end(p) + random.choice([0, 0, 3, 8])):
                stamp += random.choice([0, 0, 0, 7])
                if random.random() < 0.9:
                    known[offset] = max(stamp, 1)
        return KnownStamps(logged=ranges(logged), own=ranges(own))

    def _claim(self) -> None:
        p, random = self.partition(), self.random
        first = max(0, self.end(p) + random.choice([0, 0, 0, 0, -1, -2, -5, -20, 1]))
        end = first + random.randrange(1, 7)
        known = self._known(p, first)
        claim = self.connection.register.claim(p, first, end, known)
        wanted = self.oracle.claim(p, first, end, known, self.clock)
        if wanted is None:
            assert claim is None
            return
        assert claim is not None
        assert offsets(claim.stamps) == wanted[0]
        assert {each.generation: each.cut for each in claim.generations} == wanted[1]
        assert claim.last == self.oracle.model.last

    def _finish(self) -> None:
        p, random = self.partition(), self.random
        done = self.oracle.model.partitions[p].done if p < len(self.oracle.names) else 0
        first = max(0, done + random.choice([0, 0, 0, -2, 1]))
        end = first + random.randrange(1, 9)
        end = min(end, self.end(p)) if random.random() < 0.9 and self.end(p) > first else end
        written = [each for each in self.oracle.named() if random.random() < 0.95]
        written += [Generation(view="b@1", id="old")] if random.random() < 0.2 else []
        assert self.connection.register.finish(p, first, end, written) == self.oracle.finish(p, first, end, written)

    def _beat(self) -> None:
        count = len(self.oracle.names)
        positions = [
            ReadingPosition(
                partition=p,
                position=max(0, self.end(p) + self.random.choice([0, 0, 0, -1, 1])),
                at_end=self.random.random() < 0.8,
            )
            for p in range(count + (self.random.random() < 0.1))
        ]
        wanted = [self.oracle.heartbeat(of.partition, of.position, self.clock, at_end=of.at_end) for of in positions]
        assert self.connection.register.heartbeat(positions) == wanted

    def _forget(self) -> None:
        if self.oracle.names:
            p = self.random.randrange(len(self.oracle.names))
            below = max(0, self.end(p) - self.random.randrange(12))
            self.connection.register.forget(p, below)
            self.oracle.forget(p, below, self.connection.register.read_state().partitions[p].kept)

    def _generation(self) -> None:
        generations, oracle = self.connection.generations, self.oracle
        generation = Generation(view=self.random.choice(VIEWS), id=f"{self.random.randrange(5)}")
        action = self.random.choice(["add", "add", "switch", "switch", "switch", "drop", "drop_unread"])
        if action == "add":
            added = generations.add(generation)
            assert (added.cuts, added.asof) == oracle.add(generation)
        elif action == "switch":
            assert generations.switch(generation) == oracle.switch(generation)
        elif action == "drop":
            generations.drop(generation)
            oracle.drop(generation)
        else:
            assert generations.drop_unread(generation) == oracle.drop_unread(generation)


def play(seeds: range, opened, source) -> None:
    for seed in seeds:
        of = type(source)(project=f"{source.project}x{seed}", env="dev", source="swipes")
        calls: list[Calls] = []
        connection = opened(lambda calls=calls: calls[0].clock).connect(of)
        calls.append(Calls(seed, connection))
        try:
            calls[0].play()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
        finally:
            connection.close()


@pytest.mark.long
@pytest.mark.sample(2)
def test_the_register_answers_as_the_one_of_the_simulation(opened, source):
    play(seeds_from(0, 16), opened, source)


@pytest.mark.stress
def test_the_register_answers_as_the_simulations_in_many_sequences(opened, source):
    play(seeds_from(16, 600), opened, source)
