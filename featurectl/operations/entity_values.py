"""The values of one entity: online, or from the offline table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from featurectl.core.dtypes import BOOL, DATE, INT64, is_text
from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.core.units import instant_us
from featurectl.language.renaming import current_names, find_feature, named_features, old_name_warning

if TYPE_CHECKING:
    from featurectl.language.definitions.view import FeatureView
    from featurectl.online.base import KeyValue
    from featurectl.online.client.read_view import ReadView
    from featurectl.online.read import Answer
    from featurectl.workspace.workspace import Workspace

ONLY_NEWEST: Final = "The online store has the newest values alone: --offline computes those of an instant in the past."
_EPOCH_DATE = date(1970, 1, 1)
_INT64_END = 1 << 63
_VERSION_DIGITS = 18
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")  # as JSON writes them: Python's int() reads more


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRequest:
    """A view (`spend`, or `spend@2` for one of its versions), and the entity's keys as `KEY=VALUE` words.

    With `features` only those of the view, by their names.
    """

    view: str
    keys: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityAnswer:
    """What an entity has in a view version; `waiting`: what is said of a newer one that is not served yet.

    `entity` are its keys by name, in the types that they are declared with. `old_names` says of each feature that is
    named by an alias what it is called now. `stale` are the features that are older than their `error_after`.
    `is_stream`: its events come one by one, and the answer is true as of its `asof`; `ahead` says how far that lies
    ahead of the clock, by more than clocks may differ.
    """

    view: str
    version: int
    entity: Mapping[str, object]
    answer: Answer
    waiting: str = ""
    old_names: tuple[str, ...] = ()
    stale: frozenset[str] = frozenset()
    is_stream: bool = False
    ahead: str = ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What there is to say of the answer."""
        return (*self.old_names, *filter(None, [self.ahead]))


def entity_request(view: str, words: Sequence[str]) -> EntityRequest:
    """Return what `VIEW` or `VIEW:FEATURE,FEATURE` asks for with words behind it: `KEY=VALUE`, and more `VIEW:FEATURE`.

    >>> found = entity_request("spend@2:count_7d", ["spend@2:per_order", "customer=a:b"])
    >>> found.view, found.keys, found.features
    ('spend@2', ('customer=a:b',), ('count_7d', 'per_order'))

    Raises:
        UsageError: a word is a feature of another view.
    """
    label, _, names = view.partition(":")
    features = names.split(",") if names else []
    keys = []
    for word in words:
        of, colon, more = word.partition(":")
        if "=" in word or not colon:
            keys.append(word)
        elif of == label:
            features += more.split(",")
        else:
            raise UsageError(f"{word}: get reads one view at a time", hint=f"featurectl get {word} KEY=VALUE")
    return EntityRequest(view=label, keys=tuple(keys), features=tuple(dict.fromkeys(features)))


def get_online(workspace: Workspace, request: EntityRequest) -> EntityAnswer:
    """Return the online values of an entity: of the newest version that was pushed, where none is named.

    Raises:
        UsageError: there is no such view, version or feature, or a word is no key of it.
        DataError: FC511 the view was never pushed, FC510 it was never materialized either.
        StoreError: a store can't be read.
    """
    from featurectl.operations.online_rows import read_online, stream_ahead
    from featurectl.workspace.online_schema import read_online_schema

    name, number = split_version(request.view)
    catalog = read_online_schema(workspace, [name], workspace.applied_state())
    read = catalog.view(name, number)
    entity = parse_entity(read.view.key_types, request.keys)
    chosen = chosen_features(read.view, request.features)
    (answer,) = read_online(workspace, read, [list(entity.values())], chosen.values())
    waiting = "" if number is not None else next(iter(catalog.waiting([name])), "")
    named = shown_entity(read.view.key_types, entity)
    return EntityAnswer(
        view=name,
        version=read.online.version,
        entity=named,
        answer=_with_features(by_current_names(answer, read.view), chosen),
        waiting=waiting,
        old_names=old_names_among(name, chosen),
        stale=_stale_features(workspace, read, chosen, answer),
        is_stream=read.view.source.is_stream,
        ahead=stream_ahead(workspace, read, [answer]),
    )


def _stale_features(workspace: Workspace, read: ReadView, chosen: Mapping[str, str], answer: Answer) -> frozenset[str]:
    """Return which features stand on rows older than their `error_after`, or their view's, by the names asked for."""
    from featurectl.operations.online_rows import stream_ahead

    view, own = read.view, read.view.own_freshness
    slas = {name: own.get(now, view.freshness) for name, now in (chosen or _current(view)).items()}
    limits = {name: sla.error_after_us for name, sla in slas.items() if sla is not None}
    if view.source.static or not any(limits.values()):
        return frozenset()
    if view.source.is_stream:
        newest: datetime | None = answer.asof
    else:
        record = workspace.online().read_push_record(read.online)
        newest = record.watermark if record else None
    if newest is None:
        return frozenset()
    if stream_ahead(workspace, read, [answer]):
        return frozenset(name for name, most_us in limits.items() if most_us is not None)
    age = instant_us(workspace.now) - instant_us(newest)
    return frozenset(name for name, most_us in limits.items() if most_us is not None and age > most_us)


def _current(view: FeatureView) -> dict[str, str]:
    return {name: name for name in view.current_types}


def get_offline(workspace: Workspace, request: EntityRequest) -> EntityAnswer:
    """Return the values of an entity by the offline table: of the newest version, where none is named.

    Raises:
        UsageError: there is no such view, version or feature, or a word is no key of it.
        DataError: FC510, the view was never materialized.
        StoreError: a store can't be read.
    """
    from featurectl.operations.offline_rows import bound_version, read_offline_rows

    name, number = split_version(request.view)
    bound = bound_version(workspace, name, number)
    entity = parse_entity(bound.view.key_types, request.keys)
    chosen = chosen_features(bound.view, request.features)
    (answer,) = read_offline_rows(workspace, bound, [list(entity.values())])
    named = shown_entity(bound.view.key_types, entity)
    answer = _with_features(by_current_names(answer, bound.view), chosen)
    old_names = old_names_among(name, chosen)
    return EntityAnswer(view=name, version=bound.version, entity=named, answer=answer, old_names=old_names)


def chosen_features(view: FeatureView, names: Sequence[str]) -> dict[str, str]:
    """Return what features are called now, by the names that they are asked for by, which may be old ones."""
    found = {name: find_feature(view, name) for name in names}
    if missing := next((name for name, item in found.items() if item is None), ""):
        known = [item.current_name for item in named_features(view)]
        hint = did_you_mean(missing, known) or f"features: {', '.join(known)}"
        raise UsageError(f"view {view.name} has no feature {missing!r}", hint=hint)
    return {name: item.current for name, item in found.items() if item is not None}


def old_names_among(view: str, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence on each of `chosen_features` that is asked for by an old name."""
    return tuple(old_name_warning(view, name, current) for name, current in chosen.items() if name != current)


def _with_features(answer: Answer, chosen: Mapping[str, str]) -> Answer:
    """Return an answer with some features alone, by the names that they are asked for by; no name means all."""
    return replace(answer, values={name: answer.values[now] for name, now in chosen.items()}) if chosen else answer


def by_current_names(answer: Answer, view: FeatureView) -> Answer:
    """Return an answer with features by the names that they have now."""
    names = current_names(view)
    return replace(answer, values={names[name]: value for name, value in answer.values.items()})


def is_before_push(now: datetime | None, answers: Iterable[Answer]) -> bool:
    """Return whether an instant that was asked for is before the last push, whose values alone the store has."""
    return now is not None and any(each.computed_at is not None and now < each.computed_at for each in answers)


def split_version(text: str) -> tuple[str, int | None]:
    """Return the name and the version of `VIEW` or `VIEW@2`; UsageError when the version is no number.

    >>> split_version("spend@2"), split_version("spend")
    (('spend', 2), ('spend', None))
    """
    name, at, number = text.partition("@")
    if at and not (number.isascii() and number.isdigit() and len(number) <= _VERSION_DIGITS):
        raise UsageError(f"{text!r} names no version", hint=f"write {name}@2")
    return name, int(number) if at else None


def parse_entity(keys: Mapping[str, str], words: Sequence[str]) -> dict[str, KeyValue]:
    """Return the values of `KEY=VALUE` words as the entity's keys want them, in its order; a date is its days.

    >>> parse_entity({"origin": "string", "day": "date"}, ["day=1970-01-03", "origin=JFK"])
    {'origin': 'JFK', 'day': 2}

    Raises:
        UsageError: a word is no KEY=VALUE, a key is unknown, missing or given twice, a value has another type.
    """
    given: dict[str, str] = {}
    wanted = " ".join(f"{name}={dtype.upper()}" for name, dtype in keys.items()) or "none: the view has no entity"
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or name not in keys:
            problem = f"no key {name!r}" if equals else f"{word!r} is not KEY=VALUE"
            raise UsageError(problem, hint=f"{did_you_mean(name, keys)} keys: {wanted}".strip())
        if name in given:
            raise UsageError(f"key {name} is given twice")
        given[name] = value
    if missing := [name for name in keys if name not in given]:
        raise UsageError(f"key {missing[0]} is missing", hint=f"keys: {wanted}")
    return {name: _key_value(name, dtype, given[name]) for name, dtype in keys.items()}


def shown_entity(keys: Mapping[str, str], entity: Mapping[str, KeyValue]) -> dict[str, object]:
    """Return the values of `parse_entity` as others have them: a date is a date.

    >>> shown_entity({"user": "int64", "day": "date"}, {"user": 7, "day": 2})
    {'user': 7, 'day': datetime.date(1970, 1, 3)}
    """
    return {
        name: _EPOCH_DATE + timedelta(days=value) if keys[name] == DATE and isinstance(value, int) else value
        for name, value in entity.items()
    }


def _key_value(name: str, dtype: str, text: str) -> KeyValue:
    value = _parsed(dtype, text)
    if value is None:
        raise UsageError(f"key {name}: {text!r} is no {dtype}", hint="true or false" if dtype == BOOL else "")
    return value


def _parsed(dtype: str, text: str) -> KeyValue | None:
    try:
        if dtype == INT64:
            number = int(text) if _INTEGER.fullmatch(text) else None
            return number if number is not None and -_INT64_END <= number < _INT64_END else None
        if dtype == DATE:
            return (date.fromisoformat(text) - _EPOCH_DATE).days
    except ValueError:
        return None
    if dtype == BOOL:
        return {"true": True, "false": False}.get(text)
    return text if is_text(text) else None
