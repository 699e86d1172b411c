"""What a model says about rows whose features are missing or stale: use them, warn, or refuse the row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final

from featurectl.core.units import counted, format_iso, plural
from featurectl.online.client.feature_columns import FeatureColumns
from featurectl.serving.context import ServerContext
from featurectl.serving.freshness import views_older_than
from featurectl.serving.http.problems import Refused
from featurectl.serving.log.records import ScoredRequest
from featurectl.serving.project.served_model import ServedModel
from featurectl.serving.scoring.absent_rows import NOT_FOUND, absent_rows

EXPIRED: Final = "EXPIRED"
_MISSING: Final = frozenset([NOT_FOUND, EXPIRED])
_NEWEST: Final = ": the online store keeps the newest values alone"
_WORDS: Final = {
    "no_row": ("row of which the online store has nothing", "rows of which the online store has nothing"),
    "stale": ("feature that is older than max_age", "features that are older than max_age"),
}


def missing_warnings(context: ServerContext, model: ServedModel, found: FeatureColumns) -> list[str]:
    """Return what is to be warned of.

    A row has `no_row` when the store has nothing of one of its entities; a feature is `stale` when what its view
    stands on is older than the model's `max_age`.

    Raises:
        Refused: 422, the model refuses a row; the answer lists which, and why.
    """
    policy, warnings = model.reader.missing, later_warnings(found)
    if policy.no_row != "use":
        absent = absent_rows(found)
        if absent:
            rejected = [{"row": row, "reason": "no_row", "feature": name} for row, name in sorted(absent.items())]
            warnings += _report(context, model, policy.no_row, rejected, "; ".join(warnings))
    if policy.stale != "use" and policy.max_age_us is not None:
        old = views_older_than(context.features.pushes, model.reader.features, found.now, policy.max_age_us)
        if old:
            features = sorted(name for name, column in found.columns.items() if column.source.field in old)
            rejected = [{"reason": "stale", "feature": name} for name in features]
            warnings += _report(context, model, policy.stale, rejected)
    return warnings


def later_warnings(found: FeatureColumns) -> list[str]:
    """Return of which views the store has rows only as of later than the instant of a request, and of how many.

    Where the instant is the clock's there are none: what is pushed as of later is refused.
    """
    if found.latest is not None or found.is_present:
        return []
    later: dict[str, int] = {}
    for name, column in found.columns.items():
        if rows := len(found.later_rows(name)):
            later[column.source.field] = max(later.get(column.source.field, 0), rows)
    at = format_iso(found.now)
    return [f"{view} has nothing as early as {at} of {counted(rows, 'row')}{_NEWEST}" for view, rows in later.items()]


def remarks_of(scored: Sequence[ScoredRequest], places: Sequence[Sequence[int]]) -> dict[str, object]:
    """Return what an answer says beside the scores of some parts of a request, each where there is something.

    `warnings` are those of `missing_warnings`. `unknown` are the entities of which the store has no row in any view
    that a model reads, also none of later than the request's instant, `missing` the features of others that are expired
    or not there, with how many rows they are of.
    `places` are those of each part's rows in the request.
    """
    remarks: dict[str, object] = {}
    if warnings := [text for part in scored for text in part.warnings]:
        remarks["warnings"] = warnings
    if not [part for part in scored if not _is_known(part.found)]:  # nearly always
        return remarks
    unknown, missing = list[tuple[int, dict[str, object]]](), Counter[tuple[str, str]]()
    for part, own in zip(scored, places, strict=True):
        of_unknown: dict[str, int] = {}
        for keys, features in part.model.reader.features.entities.items():
            rows = _unknown_rows(part.found, features)
            unknown += [(own[row], {name: part.given[name][row] for name in keys}) for row in rows]
            of_unknown |= dict.fromkeys(features, len(rows))
        for place, count in _count_missing(part.found, of_unknown):
            missing[place] += count
    if unknown:
        remarks["unknown"] = [{"row": place, "keys": named} for place, named in sorted(unknown, key=itemgetter(0))]
    if lacking := [{"feature": name, "status": why, "rows": rows} for (name, why), rows in missing.items() if rows]:
        remarks["missing"] = lacking
    return remarks


def _is_known(found: FeatureColumns) -> bool:
    """Return whether no feature of a row is expired or not found; of one that is null the store knows that it is."""
    return found.is_present or _MISSING.isdisjoint(
        chain.from_iterable([column.statuses for column in found.columns.values()])
    )


def _unknown_rows(found: FeatureColumns, features: Sequence[str]) -> list[int]:
    """Return the rows with an entity of which the store has nothing: all its features are not found."""
    columns = found.columns
    if not all(NOT_FOUND in columns[name].statuses for name in features):  # nearly always said by the first one
        return []
    statuses = [columns[name].statuses for name in features]
    later = {row for name in features for row in found.later_rows(name)}
    return [row for row in range(found.count) if row not in later and all(some[row] == NOT_FOUND for some in statuses)]


def _count_missing(found: FeatureColumns, unknown: Mapping[str, int]) -> Iterator[tuple[tuple[str, str], int]]:
    """Give in how many rows each feature is expired, and not found; `unknown` counts those of unknown entities."""
    for name, column in found.columns.items():
        yield (name, EXPIRED), column.statuses.count(EXPIRED)
        yield (name, NOT_FOUND), column.statuses.count(NOT_FOUND) - unknown.get(name, 0)


def _report(
    context: ServerContext, model: ServedModel, policy: str, rejected: Sequence[dict[str, object]], hint: str = ""
) -> list[str]:
    reason = str(rejected[0]["reason"])
    text = f"{model.label}: {len(rejected):,} {plural(len(rejected), *_WORDS[reason])}, first {rejected[0]['feature']}"
    if policy == "warn":
        return [text]
    context.metrics.rejected.labels(model.version.model, reason).inc(len(rejected))
    raise Refused(422, text, hint=hint, rejected=list(rejected))
