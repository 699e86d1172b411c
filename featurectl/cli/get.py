"""`featurectl get`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.applied import open_applied
from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.core.dtypes import BOOL, DATE, INT64, is_text
from featurectl.core.errors import UsageError
from featurectl.core.nearest import did_you_mean
from featurectl.core.units import format_age, format_instant, format_iso

if TYPE_CHECKING:
    from featurectl.online.base import KeyValue
    from featurectl.online.read import Answer
    from featurectl.workspace.workspace import Workspace

_HEAD = ("feature", "value", "status")
_EPOCH_DATE = date(1970, 1, 1)
_INT64_END = 1 << 63
_VERSION_DIGITS = 18
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")  # as JSON writes them: Python's int() reads more


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "get", as_of=True)
    def get(
        call: Call,
        view: Annotated[str, typer.Argument(help="VIEW, or VIEW@2 for one of its versions.")],
        key: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE for each key of the entity.")] = None,
        offline: Annotated[bool, typer.Option(help="Compute from the offline table instead.")] = False,
    ) -> Outcome:
        """Show the online values of one entity. With their status, event time, age and version.

        A name without a version is that of the newest version that was pushed, which is the one that is served; with
        --offline that of the newest.
        """
        name, number = split_version(view)
        with open_applied(call, call.instant()) as workspace:
            ask = _offline if offline else _online
            found = ask(workspace, name, number, key or [])
        text = _text(found, key or [], offline=offline)
        return Outcome(text=text, result=_json(found, key or [], offline=offline))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What an entity has in a view version; `waiting`: what is said of a newer one that is not served yet."""

    view: str
    version: int
    answer: Answer
    waiting: str = ""


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


def _key_value(name: str, dtype: str, text: str) -> KeyValue:
    value = _parsed(dtype, text)
    if value is None:
        raise UsageError(f"key {name}: {text!r} is no {dtype}")
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


def _online(workspace: Workspace, name: str, number: int | None, words: Sequence[str]) -> _Found:
    from featurectl.api.project import read_online

    catalog = workspace.catalog([name], workspace.applied_state())
    read = catalog.view(name, number)
    entity = parse_entity(read.view.key_types, words)
    (answer,) = read_online(workspace, read, [list(entity.values())])
    waiting = "" if number is not None else next(iter(catalog.waiting([name])), "")
    return _Found(view=name, version=read.online.version, answer=answer, waiting=waiting)


def _offline(workspace: Workspace, name: str, number: int | None, words: Sequence[str]) -> _Found:
    from featurectl.engines.open import open_engine
    from featurectl.online.read import ViewReader
    from featurectl.online.view_rows import online_view
    from featurectl.operations.push import read_offline
    from featurectl.operations.training.bind import bind_view
    from featurectl.registry.applied import registered_view

    bound = bind_view(workspace.offline(), registered_view(workspace.applied_state(), name, number))
    entity = parse_entity(bound.view.key_types, words)
    where = online_view(bound.view, bound.version, workspace.project, workspace.environment.name)
    row = read_offline(open_engine(workspace.environment), bound.view, bound.table, entity, workspace.now)
    answer = ViewReader(bound.view, where).answer(row, workspace.now, pushed=workspace.now)
    return _Found(view=name, version=bound.version, answer=answer)


def _text(found: _Found, words: Sequence[str], *, offline: bool) -> str:
    from featurectl.cli.render.feature_values import shown_value
    from featurectl.cli.render.table import render_table

    rows, answer = [], found.answer
    for name, value in answer.values.items():
        status = f"{value.status} (default)" if value.defaulted else value.status
        rows.append([name, shown_value(value.value), status])
    event = "-" if answer.event_time is None else format_instant(answer.event_time)
    age = "-" if answer.age_us is None else format_age(answer.age_us)
    computed = "-" if answer.computed_at is None else format_instant(answer.computed_at)
    title = " ".join([f"{found.view}@{found.version}", *words, "from the offline table" if offline else "online"])
    lines = [title, f"last event {event}, age {age}, computed {computed}", *([found.waiting] if found.waiting else [])]
    return "\n".join([*lines, "", *render_table(_HEAD, rows)])


def _json(found: _Found, words: Sequence[str], *, offline: bool) -> dict[str, object]:
    from featurectl.cli.render.feature_values import plain_value

    answer = found.answer
    instants = {
        "event_time": answer.event_time,
        "available_at": answer.available_at,
        "computed_at": answer.computed_at,
        "as_of": answer.asof,
        "read_at": answer.read_at,
    }
    return {
        "view": found.view,
        "version": found.version,
        "waiting": found.waiting or None,
        "entity": dict(word.split("=", 1) for word in words),
        "origin": "offline" if offline else "online",
        **{name: None if instant is None else format_iso(instant) for name, instant in instants.items()},
        "age_seconds": None if answer.age_us is None else answer.age_us / 1_000_000,
        "features": {
            name: {"value": plain_value(value.value), "status": value.status, "defaulted": value.defaulted}
            for name, value in answer.values.items()
        },
    }
