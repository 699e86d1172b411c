"""The lists of a source's views in Redis or Valkey, and on a Cluster what says that each master has them whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from featurectl.online.redis import stream_list_scripts as scripts
from featurectl.online.redis.answers import listed
from featurectl.online.redis.connect import translated
from featurectl.online.redis.stream_append import append_elements
from featurectl.online.redis.stream_fetch import FetchPlan
from featurectl.online.redis.stream_keys import list_ends, mark_key
from featurectl.online.redis.stream_masters import PinnedMasters, ScriptRun
from featurectl.online.redis.stream_register import RedisGenerations, RedisStampRegister
from featurectl.online.redis.trips import packed
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    GenerationCut,
    ListAppend,
    ListReplacement,
    ListsAsk,
    ListSeed,
    RegisterState,
    StreamSource,
    poll_of,
)


class RedisStateLists:
    """`StateLists` in lists, and a hash on each master."""

    def __init__(self, masters: PinnedMasters, source: StreamSource) -> None:
        self._masters = masters
        self._source = source
        self._register = RedisStampRegister(masters, source)
        self._generations = RedisGenerations(masters, source)
        self._mark_keys = [[mark_key(source, tag) for tag in master.tags] for master in masters.masters]

    def append(self, appends: Sequence[ListAppend]) -> list[Mapping[bytes, int]]:
        """Append elements, and return how long the lists of each append's entities have become."""
        return append_elements(self._masters, self._source, appends)

    def mark(self, partition: int, first: int, end: int, generations: Sequence[GenerationCut]) -> bool:
        """Say on each master of a Cluster that all records up to `end` are there; False where there is a gap."""
        if not self._masters.is_cluster or not generations:
            return True
        pairs = [value for of in generations for value in (of.generation.name, of.cut)]
        runs: list[ScriptRun] = [(key, (partition, first, end, *pairs)) for keys in self._mark_keys for key in keys]
        return all(reply == 1 for reply in self._masters.run(scripts.MARK, runs))

    def marks(self, partition: int) -> list[int]:
        """Return the marks of a partition: of each master and named generation, its cut where there is none."""
        if not self._masters.is_cluster:
            return []
        named = self._generations.cuts(partition)
        fields = [f"mark/{partition}/{of.generation.name}" for of in named]
        if not named:
            return []
        found = self._ask_masters("HMGET", *fields)
        return [of.cut if mark is None else int(mark) for marks in found for of, mark in zip(named, marks, strict=True)]

    def read(self, asks: Sequence[ListsAsk]) -> tuple[RegisterState, list[list[EntityList | None]]]:
        """Return the register, then the marks of masters and the lists of live generations, to be compacted."""
        state, masters = self._register.read_state(), self._masters
        tags = [master.tags if masters.is_cluster else () for master in masters.masters]
        plan = FetchPlan(self._source, poll_of(state), asks, (masters.owner, tags.__getitem__))
        commands = [(at, packed([command])) for at, leg in plan.legs.items() for command in leg.commands()]
        replies = iter(masters.exchange(commands))
        for leg in plan.legs.values():
            plan.settle(leg, leg.read(masters.address, [next(replies) for _ in leg.commands()]))
        lists = [answer.lists for answer in plan.answers()]
        none: list[list[EntityList | None]] = [[None] * len(ask.entities) for ask in asks]
        return state, [[*found] if found is not None else of for found, of in zip(lists, none, strict=True)]

    def replace(self, replacements: Sequence[ListReplacement]) -> list[bool]:
        """Replace what was read where it is unchanged, and return where it was."""
        runs = [self._replacing(each) for each in replacements]
        return [reply == 1 for reply in self._masters.run(scripts.REPLACE, runs)]

    def seed(self, generation: Generation, seeds: Sequence[ListSeed]) -> Mapping[str, int]:
        """Put heads before the records of lists that have none, and count them; return how many each master got."""
        masters, (before, after) = self._masters, list_ends(self._source, generation)
        runs: list[ScriptRun] = [(before + seed.entity + after, [seed.head]) for seed in seeds]
        masters.run(scripts.SEED, runs)
        counts = Counter(masters.owner(key) for key, _ in runs)
        field = f"heads/{generation.name}"
        added = [
            (at, packed([("HINCRBY", key, field, count)]))
            for at, count in counts.items()
            for key in self._mark_keys[at]
        ]
        masters.whole(masters.exchange(added))
        return {master.name: counts[at] for at, master in enumerate(masters.masters)}

    def make_ready(self, generation: Generation, seeded: Mapping[str, int], cuts: Mapping[int, int]) -> bool:
        """Say that masters have all heads of a generation: as many as were seeded; False where some were lost."""
        pairs = [value for pair in cuts.items() for value in pair] if self._masters.is_cluster else []
        runs: list[ScriptRun] = [
            (key, (generation.name, seeded[master.name], *pairs))
            for keys, master in zip(self._mark_keys, self._masters.masters, strict=True)
            for key in keys
            if master.name in seeded
        ]
        return all(reply == 1 for reply in self._masters.run(scripts.MAKE_READY, runs))

    def unready(self) -> list[Generation]:
        """Return the live generations that some master is not known to have whole: a rebuild is needed."""
        state = self._register.read_state()
        live = [of for of in map(state.live, state.views) if of is not None]
        if not self._masters.is_cluster or not live:
            return []
        found = self._ask_masters("HMGET", *(f"ready/{of.name}" for of in live))
        return [of for of, flags in zip(live, zip(*found, strict=True), strict=True) if None in flags]

    def _replacing(self, wanted: ListReplacement) -> ScriptRun:
        before, after = list_ends(self._source, wanted.generation)
        alone = (0, b"") if wanted.alone is None else (1, wanted.alone)
        parts: list[bytes | str | int] = [wanted.read, wanted.digest, alone[0], wanted.head, alone[1], *wanted.left]
        return before + wanted.entity + after, parts

    def _ask_masters(self, verb: str, *fields: str) -> list[list[bytes | None]]:
        """Return the reply of each master to a command about what says that its lists are whole."""
        masters = self._masters
        places = [(at, key) for at, keys in enumerate(self._mark_keys) for key in keys]
        replies = masters.exchange([(at, packed([(verb, key, *fields)])) for at, key in places])
        with translated(masters.address):
            return [listed(reply, len(fields)) for reply in masters.about([key for _, key in places], replies)]
