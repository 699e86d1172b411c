"""What every place that holds rows of entities can do when some of their keys are erased."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from featurectl.core.erasures import Erasures, KeyPart
from featurectl.core.progress import Progress
from featurectl.workspace.applied_workspace import AppliedWorkspace


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRequest:
    """Whose rows are to go from an environment: of all keys in `erasures`, until the instant that each one has.

    `target` is the environment, with the state of the registry in which the tombstones stand already (but for a dry
    run). `values` are the keys themselves by the tombstones' numbers, where they are known: when a person is erased,
    not when it is done over, for nothing but a hash is kept. What is known by its value may be looked for by it; what
    is not is found by the hashes of all keys that are there.
    """

    target: AppliedWorkspace
    erasures: Erasures
    values: Mapping[int, Mapping[str, KeyPart]] = field(default_factory=dict)
    progress: Progress | None = None

    def and_since(self, number: int) -> Erasures:
        """Return what is asked for, with all that was erased after a number: what a place has that was clean then."""
        later = self.target.state.erasures.after(number)
        every = {item.number: item for item in (*later.tombstones, *self.erasures.tombstones)}
        tombstones = tuple(every[number] for number in sorted(every))
        return Erasures(secret=self.erasures.secret, tombstones=tombstones)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFindings:
    """What a place holds of erased keys, or what was removed of it.

    `place` names it ("offline table spend@1"), `rows` counts what is theirs (rows, events, entities: `what` says in
    the plural), `rewritten` the bytes of files that are written anew without it. `notes` say what else is to be known:
    what stays readable until when, which manifests are broken. `unfinished` are the numbers of tombstones of which
    something may stay that can be found by the key's value alone, which is not known.
    """

    place: str
    rows: int
    what: str = "rows"
    rewritten: int = 0
    notes: tuple[str, ...] = ()
    unfinished: frozenset[int] = frozenset()


class ErasurePlace(Protocol):
    """A kind of place. Both methods may be called again and again, also after a run that was killed.

    Raises:
        StoreError: FC6xx, the place can't be read or written; what was removed before stays removed.
    """

    def look(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Return what there is, without changing anything; places without any of it are left out."""

    def erase(self, request: ErasureRequest) -> Sequence[PlaceFindings]:
        """Remove it, and return what was removed."""
