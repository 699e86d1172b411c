"""Which version of a model answers an entity while a canary runs: the same in every process and machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from featurectl.core.units import instant_us
from featurectl.online.client.coerce import Coercion, reader_of
from featurectl.online.client.feature_columns import FeatureColumns
from featurectl.online.client.push_cache import Pushes
from featurectl.registry.state import CHAMPION, CanaryRun, State
from featurectl.serving.http.bodies import ENCODER
from featurectl.serving.project.served_model import ServedModel

Role = Literal["champion", "challenger", "shadow"]
_HASHES: Final = 1 << 63  # what a signed integer of a Parquet column holds
_NEVER: Final = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryAssignment:
    """The part that rows of a request have in a canary: of which one, on which side, the hash of each row's entity."""

    canary: int
    role: Role
    entities: Sequence[int]


@dataclass(frozen=True, kw_only=True)  # without slots: what is looked up for each row is kept
class ServedCanary:
    """A running canary with both versions ready to score."""

    run: CanaryRun
    champion: ServedModel
    challenger: ServedModel

    def entity(self, row: Mapping[str, object]) -> int:
        """Return the hash of a row's entity: of its keys, in the types of the champion's views.

        It depends on the keys, the model and the challenger's version alone: an entity keeps its version, and another
        canary has other entities. A model without keys has its request columns in their place. A value that does not
        fit its type is refused later.
        """
        values = [None if (value := row.get(name)) is None else read(value) for name, read in self._keys]
        digest = hashlib.blake2b(ENCODER.encode(values), digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest) >> 1

    def takes(self, entity: int) -> bool:
        """Return whether the challenger answers an entity."""
        return entity < self._bound

    @cached_property
    def only_challenger(self) -> frozenset[str]:
        """The columns that the challenger asks of a row and the champion does not."""
        return frozenset(self.challenger.reader.columns) - frozenset(self.champion.reader.columns)

    @cached_property
    def _keys(self) -> list[tuple[str, Coercion]]:
        reader = self.champion.reader
        types = reader.features.key_types or reader.request
        return [(name, reader_of(types[name])) for name in sorted(types)]

    @cached_property
    def _salt(self) -> bytes:
        return hashlib.blake2b(self.challenger.label.encode(), digest_size=16).digest()

    @cached_property
    def _bound(self) -> int:
        return round(self.run.percent / 100 * _HASHES)


Canaries = Mapping[str, ServedCanary]  # by model


def find_canaries(state: State, models: Mapping[tuple[str, int], ServedModel], environment: str) -> Canaries:
    """Return the canaries of an environment by model, as far as both versions are loaded.

    One whose champion is another by now is over, though nobody has written so yet.
    """
    found = {}
    for run in state.canaries:
        champion = models.get((run.model, run.champion))
        challenger = models.get((run.model, run.challenger))
        same = state.aliases.get((run.model, CHAMPION)) == run.champion
        if run.state == "running" and run.environment == environment and same and champion and challenger:
            found[run.model] = ServedCanary(run=run, champion=champion, challenger=challenger)
    return found


def oldest_ages(found: FeatureColumns, pushes: Pushes) -> list[int | None]:
    """Return the age of the oldest features of each row, in microseconds; None for a row of which nothing is known.

    A push leaves rows alone that are as they were: features are as old as the last push of their view, when that is
    later than their row. What a static source says is always true.
    """
    now, oldest = instant_us(found.now), [_NEVER] * found.count
    for column in {id(column.computed_us): column for column in found.columns.values()}.values():  # one of each view
        record = pushes.record(column.source)
        if column.source.view.source.static or record is None:
            continue
        pushed = instant_us(record.computed_at)
        known = [max(computed or pushed, pushed) for computed in column.computed_us]
        oldest = [*map(min, oldest, known)]
    return [None if us == _NEVER else now - us for us in oldest]
