"""Lists that have grown are compacted, a few at a time, beside the events that go on coming."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Final

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.base import (
    EntityList,
    Generation,
    ListReplacement,
    ListsAsk,
    RegisterState,
    digest_of,
)
from featurectl.online.stream_state.compaction import AppliedInstants, compact
from featurectl.online.stream_state.layout import ListLayout
from featurectl.online.stream_state.protocols import StreamConnection

LONG: Final = 32  # elements from which on a list is worth the trip
VERY_LONG: Final = 5_000  # elements from which on compaction takes longer than a turn of a worker may: 8 us each
_AT_ONCE: Final = 200
_LEAST: Final = 100  # elements that a list counts for at least among those of a step
_LAST_TRIES: Final = 3  # workers that end together come between each other

ListPlace = tuple[Generation, bytes]  # whose list is an entity's


class CompactionQueue:
    """Which lists have grown since they were compacted last, by the generations that they are of.

    Those of a generation that is being made wait until it is read: nobody may compact them before. A list with much
    that is not applied yet, and one that others changed, is looked at again when all is applied that there was.

    `layout_of` says what the lists of a generation keep. Very long ones are left to whoever takes them apart, in
    another thread. `at_once` are the lists of a step, or fewer that are longer.
    """

    def __init__(
        self, layout_of: Callable[[Generation], ListLayout], long: int = LONG, at_once: int = _AT_ONCE
    ) -> None:
        self._layout_of = layout_of
        self.long = long
        self._room = at_once * _LEAST
        self._waiting: dict[Generation, dict[bytes, int]] = {}  # with how long they were when that was seen last
        self._live: set[Generation] = set()  # as far as is known
        self._unread: set[Generation] = set()  # those of which lists wait that are being made
        self._later: dict[ListPlace, int] = {}  # with the instant that all has to be applied of before
        self._apart: set[ListPlace] = set()
        self._heard: RegisterState | None = None
        self.broken: StoreError | None = None  # what the first list of the last step says that can't be read

    def __len__(self) -> int:
        """Return how many lists wait that can be compacted, as far as is known."""
        return sum(len(of) for generation, of in self._waiting.items() if generation not in self._unread)

    @property
    def holds_some(self) -> bool:
        """Whether lists can't be compacted before the register says something else, which `hear` is for."""
        return bool(self._unread or self._later)

    def awaits(self, register: RegisterState) -> bool:
        """Return whether lists wait that are being made, as a register says; of any thread."""
        generations = {*tuple(self._waiting), *(of for of, _ in tuple(self._apart))}
        return any(of in generations and of != register.live(of.view) for of in register.named())

    def see(self, generation: Generation, lengths: Mapping[bytes, int]) -> None:
        """Take note of how long lists have become."""
        long = self.long - (generation not in self._live)  # a head may be put before it
        for entity, length in lengths.items():
            if length >= VERY_LONG:
                self._apart.add((generation, entity))
                self._waiting.get(generation, {}).pop(entity, None)
                self._later.pop((generation, entity), None)
            elif length >= long:
                self._waiting.setdefault(generation, {})[entity] = length

    def take_apart(self) -> list[ListPlace]:
        """Take the lists that are very long from those that wait; of any thread."""
        taken = []
        with suppress(KeyError):
            while True:
                taken.append(self._apart.pop())
        return taken

    def add(self, generation: Generation, entities: Iterable[bytes]) -> None:
        """Have lists compacted however long they are."""
        self._waiting.setdefault(generation, {}).update(dict.fromkeys(entities, 0))

    def hear(self, register: RegisterState) -> None:
        """Hear what a register says, of any thread: the next step goes by it."""
        self._heard = register

    def step(self, connection: StreamConnection) -> int:
        """Compact some lists, generations in turn, and of each those that have waited longest; return how many were.

        Raises:
            StoreError: the store fails, or a list holds what no worker has written (`broken`).
        """
        heard, self._heard = self._heard, None
        if heard is not None:
            self._release(heard)
        chosen = self._chosen()
        if not chosen:
            return 0
        asks = [ListsAsk(view=generation.view, entities=entities) for generation, entities in chosen.items()]
        register, found = connection.lists.read(asks)
        self.broken = None
        later: dict[ListPlace, int] = {}
        replacements = [
            made
            for (generation, entities), lists in zip(chosen.items(), found, strict=True)
            if generation == register.live(generation.view)
            for made in self._made(generation, zip(entities, lists, strict=True), register, later)
        ]
        replaced = connection.lists.replace(replacements) if replacements else []
        for each, is_done in zip(replacements, replaced, strict=True):
            if not is_done:
                later[each.generation, each.entity] = register.asof + 1
        self._settle(chosen, register, later)
        if self.broken is not None:
            raise self.broken  # the other lists are compacted all the same
        return sum(replaced)

    def work_off(self, connection: StreamConnection) -> int:
        """Compact all lists that wait and can be, and return how many were replaced.

        Raises:
            StoreError: as `step`; where lists are `broken`, when all others are compacted.
        """
        replaced, broken = 0, None
        while True:
            try:
                replaced += self.step(connection)
            except StoreError as error:
                if error is not self.broken:
                    raise
                broken = broken or error
            if not len(self):
                break
        self.broken = broken
        if broken is not None:
            raise broken
        return replaced

    def end(self, connection: StreamConnection) -> int:
        """Compact all that can be before nobody has it in mind any more, and return how many were replaced."""
        replaced = 0
        for _ in range(_LAST_TRIES):
            try:
                self._release(connection.register.read_state(), is_last=True)
                replaced += self.work_off(connection)
            except StoreError as error:
                if error is not self.broken:
                    break  # the store fails
            if not self._later:
                break
        return replaced

    def _release(self, register: RegisterState, *, is_last: bool = False) -> None:
        """Have lists compacted that can be, as a register says, which may be of some turns ago."""
        named = {*register.named()}
        self._unread = {of for of in self._unread if of in named and of != register.live(of.view)}
        ripe = [*takewhile(lambda place: is_last or self._later[place] <= register.asof, self._later)]
        for generation, entity in ripe:
            del self._later[generation, entity]
            self._waiting.setdefault(generation, {}).setdefault(entity, self.long)

    def _chosen(self) -> Mapping[Generation, list[bytes]]:
        chosen: dict[Generation, list[bytes]] = {}
        room = self._room
        for generation in [of for of in self._waiting if of not in self._unread]:
            waiting = self._waiting.pop(generation)
            if not waiting:
                continue
            self._waiting[generation] = waiting  # the others come before its next ones
            for entity, length in waiting.items():
                room -= max(length, _LEAST)
                if room < 0 and chosen:
                    return chosen
                chosen.setdefault(generation, []).append(entity)
        return chosen

    def _settle(
        self, chosen: Mapping[Generation, Sequence[bytes]], register: RegisterState, later: Mapping[ListPlace, int]
    ) -> None:
        """Take note of what was done with the chosen lists, and of what a register says that was read just now."""
        named = register.named()
        self._live = {of for of in named if of == register.live(of.view)}
        for generation in [*self._waiting]:
            if generation in self._live:
                for entity in chosen.get(generation, ()):
                    self._waiting[generation].pop(entity, None)
            elif generation in named:
                self._unread.add(generation)
            else:
                del self._waiting[generation]
        self._later.update(later)
        self._release(register)

    def _made(
        self,
        generation: Generation,
        lists: Iterable[tuple[bytes, EntityList | None]],
        register: RegisterState,
        later: dict[ListPlace, int],
    ) -> Iterator[ListReplacement]:
        """Give what lists become; those that are long then, too, are looked at `later`."""
        layout = self._layout_of(generation)
        applied = {of.number: of.applied for of in register.partitions}
        for entity, found in lists:
            if found is None or not found.elements:
                continue
            instants = AppliedInstants(
                applied_us=applied, asof_us=register.asof, clock_us=register.clock_us, marks=found.marks
            )
            try:
                compacted = compact(found.elements, layout, instants)
            except StoreError as error:
                self.broken = self.broken or error
                continue
            if 1 + len(compacted.left) >= self.long:
                later[generation, entity] = register.last
            if not compacted.pays:
                continue
            yield ListReplacement(
                generation=generation,
                entity=entity,
                read=len(found.elements),
                digest=digest_of(found.elements),
                head=compacted.head,
                left=compacted.left,
                alone=compacted.alone,
            )
