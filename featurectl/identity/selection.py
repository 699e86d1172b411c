"""The words of `--select`, which choose objects by name, tag, entity, kind, path, and by who depends on whom."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.core.kinds import OBJECT_KINDS
from featurectl.core.nearest import did_you_mean
from featurectl.identity.lineage import Graph, Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectableObject:
    """An object that can be chosen: the file that it stands in ("": in none), its tags, the entity of a view."""

    ref: Ref
    path: str = ""
    tags: tuple[str, ...] = ()
    entity: str = ""
    modified: bool = False


_Test = Callable[[SelectableObject, str], bool]
METHODS: Final[Mapping[str, _Test]] = {
    "tag": lambda item, value: value in item.tags,
    "entity": lambda item, value: value in (item.entity, item.ref.name if item.ref.kind == "entity" else ""),
    "kind": lambda item, value: item.ref.kind == value,
    "path": lambda item, value: fnmatchcase(item.path, value) or fnmatchcase(item.path, f"{value.rstrip('/')}/*"),
    "state": lambda item, _: item.modified,
}
_SHOWN: Final = 8  # names in a hint
_FORMS: Final = "name, na*, tag:x, entity:x, kind:feature_view, path:glob, state:modified, +x, x+"


def select_objects(terms: Sequence[str], candidates: Collection[SelectableObject], graph: Graph) -> frozenset[Ref]:
    """Return the objects that any of the terms chooses.

    A term is a name, a pattern of names with `*` and `?`, or `method:value`: `tag:x`, `entity:x` (the entity and
    its views), `kind:x`, `path:glob` (`*` also matches `/`; a folder stands for all below it), `state:modified`.
    `+x` adds what x is made of, `x+` what is made of x. Only `state:modified` may choose nothing.

    Raises:
        UsageError: a term chooses nothing, or is none of these.
    """
    chosen: set[Ref] = set()
    for term in terms:
        up, down = term.startswith("+"), term.endswith("+")
        found = _matches(term.strip("+"), candidates, term)
        for ref in found:
            chosen.add(ref)
            chosen |= graph.upstream(ref) if up else frozenset()
            chosen |= graph.downstream(ref) if down else frozenset()
    return frozenset(chosen)


def _matches(word: str, candidates: Collection[SelectableObject], term: str) -> list[Ref]:
    method, colon, value = word.partition(":")
    if not word:
        raise UsageError(f"--select {term!r} can't be read", hint=f"write one of: {_FORMS}")
    if not colon:
        found = [item.ref for item in candidates if fnmatchcase(item.ref.name, word)]
        return found or _nothing(term, word, {item.ref.name for item in candidates})
    if method not in METHODS or not value:
        raise UsageError(f"--select {term!r} can't be read", hint=f"write one of: {_FORMS}")
    offered = _values(method, candidates)
    if method in ("kind", "state") and value not in offered:
        raise UsageError(f"--select {term!r}: no {method} {value!r}", hint=f"{method}: " + ", ".join(sorted(offered)))
    found = [item.ref for item in candidates if METHODS[method](item, value)]
    if method == "state":
        return found  # that nothing differs is an answer
    return found or _nothing(term, value, offered)


def _values(method: str, candidates: Collection[SelectableObject]) -> set[str]:
    match method:
        case "tag":
            return {tag for item in candidates for tag in item.tags}
        case "entity":
            return {item.ref.name for item in candidates if item.ref.kind == "entity"}
        case "kind":
            return set(OBJECT_KINDS)
        case "path":
            return {item.path for item in candidates if item.path}
        case _:
            return {"modified"}


def _nothing(term: str, word: str, offered: Collection[str]) -> list[Ref]:
    known = sorted(offered)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    there = f"there are: {', '.join(known[:_SHOWN])}{more}" if known else "there are none"
    raise UsageError(f"--select {term!r} chooses nothing", hint=did_you_mean(word, known) or there)
