"""`featurectl get`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied
from featurectl.core.units import format_age, format_instant, format_iso, instant_us

if TYPE_CHECKING:
    from featurectl.operations.entity_values import EntityAnswer

_HEAD = ("feature", "value", "status")


@verb(as_of=True)
def get(
    call: Call,
    view_or_feature: Annotated[
        str, typer.Argument(help="VIEW, VIEW@2 for one of its versions, VIEW:FEATURE,FEATURE for some of its features.")
    ],
    key: Annotated[list[str] | None, typer.Argument(help="KEY=VALUE for each key of the entity.")] = None,
    offline: Annotated[bool, typer.Option(help="Compute from the offline table instead.")] = False,
) -> Outcome:
    """Show the online values of one entity. With their status, event time, age and version.

    A name without a version is that of the newest version that was pushed, which is the one that is served; with
    --offline that of the newest.
    """
    from featurectl.operations.entity_values import (
        ONLY_NEWEST,
        entity_request,
        get_offline,
        get_online,
        is_before_push,
        split_version,
    )

    request = entity_request(view_or_feature, key or ())
    split_version(request.view)
    with open_applied(call) as workspace:
        found = (get_offline if offline else get_online)(workspace, request)
    for warning in found.warnings:
        call.progress.done(f"warning: {warning}")
    text = _text(found, request.keys, offline=offline)
    if not offline and is_before_push(call.instant(), [found.answer]):
        text += f"\n\n{ONLY_NEWEST}"
    return Outcome(text=text, result=_json(found, offline=offline))


def _text(found: EntityAnswer, words: Sequence[str], *, offline: bool) -> str:
    from featurectl.render.feature_values import shown_value
    from featurectl.render.table import render_table

    rows, answer = [], found.answer
    for name, value in answer.values.items():
        status = f"{value.status} (default)" if value.defaulted else value.status
        rows.append([name, shown_value(value.value), f"{status}, stale" if name in found.stale else status])
    event = "-" if answer.event_time is None else format_instant(answer.event_time)
    age = "-" if answer.age_us is None else format_age(answer.age_us)
    computed = "-" if answer.computed_at is None else format_instant(answer.computed_at)
    title = " ".join([f"{found.view}@{found.version}", *words, "from the offline table" if offline else "online"])
    known = f"computed {computed}"
    if found.is_stream and not offline:
        age_us = instant_us(answer.read_at) - instant_us(answer.asof)
        known = f"as of {computed}, " + ("ahead of this clock" if found.ahead else f"{format_age(max(age_us, 0))} ago")
    lines = [title, f"last event {event}, age {age}, {known}", *([found.waiting] if found.waiting else [])]
    return "\n".join([*lines, "", *render_table(_HEAD, rows)])


def _json(found: EntityAnswer, *, offline: bool) -> dict[str, object]:
    from featurectl.render.feature_values import plain_value

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
        "warnings": list(found.warnings),
        "entity": {name: plain_value(value) for name, value in found.entity.items()},
        "origin": "offline" if offline else "online",
        **{name: None if instant is None else format_iso(instant) for name, instant in instants.items()},
        "age_seconds": None if answer.age_us is None else answer.age_us / 1_000_000,
        "features": {
            name: {
                "value": plain_value(value.value),
                "status": value.status,
                "defaulted": value.defaulted,
                **({"stale": True} if name in found.stale else {}),
            }
            for name, value in answer.values.items()
        },
    }
