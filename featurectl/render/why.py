"""The page of `why`, and its JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from featurectl.core.units import counted, format_age, format_count, format_instant, format_iso
from featurectl.monitor.explain_view import EntityValues, ViewExplanation
from featurectl.monitor.value_history import Changed
from featurectl.monitor.why import Chain, ChainLink, verdict_of
from featurectl.offline.runs import RunRecord
from featurectl.online.read import Answer
from featurectl.render.catalog import sla
from featurectl.render.feature_values import plain_value, shown_value
from featurectl.render.page import Page, PageBlock, PageTable, page_text
from featurectl.render.runs import has_failed, run_json, run_line
from featurectl.render.status import status_json
from featurectl.render.stream_status import stream_status_json
from featurectl.render.visible import in_one_line
from featurectl.streaming.status.facts import TOPIC, StreamStatus

_LINKS: Final = ("link", "newest event", "available", "age", "computed", "table", "state")
_RUNS: Final = ("as of", "run", "did", "rows", "ended")
_VALUES: Final = ("feature", "online", "status", "offline now")
_CHANGES: Final = ("known", "event", "changes")
_KINDS: Final = {"table": "offline table", "online": "online store"}
_SHOWN: Final = 5
_CHANGE_WIDTH: Final = 52  # of what changed, so that a line fits a terminal


def render_why(chain: Chain, cause: str, environment: str, values: EntityValues | None, *, whole: bool) -> str:
    """Return the page: what is wrong, the chain, models, runs, failed checks, and an entity's values.

    Unless `whole`, of what changed in an entity's values there is only so much as a line has room for.
    """
    found = ViewExplanation(chain=chain, cause=cause, environment=environment, values=values)
    return page_text(explanation_page(found, whole=whole))


def explanation_page(found: ViewExplanation, *, whole: bool = False) -> Page:
    """Return the same as blocks."""
    chain, values = found.chain, found.values
    head, runs = _head(chain, found.cause, found.environment), _runs(chain)
    page = [head, _links(chain), _models(chain), runs, _checks(chain)]
    if values is not None:
        page += [_entity(values), _changes(values, sys.maxsize if whole else _CHANGE_WIDTH)]
    return page


def why_json(chain: Chain, cause: str, values: EntityValues | None) -> dict[str, object]:
    """Return the same ready for JSON, with all runs on record."""
    links = [*chain.sources, chain.table, *([chain.online] if chain.online else [])]
    return {
        "now": format_iso(chain.now),
        "cause": cause or None,
        "verdict": verdict_of(chain, cause),
        "status": status_json(chain.row, chain.now),
        "served_version": chain.meanwhile or chain.row.version,
        "links": [_link_json(link, chain.now) for link in links],
        **({} if chain.workers is None else {"stream": stream_status_json(chain.workers)}),
        "models": list(chain.models),
        "runs": [run_json(run) for run in chain.runs],
        "failed_checks": [{"of": h.of, "check": h.label, "severity": h.severity} for h in chain.checks if h.failing],
        "entity": None if values is None else _entity_json(values),
    }


def _head(chain: Chain, cause: str, environment: str) -> PageBlock:
    row, age = chain.row, "" if chain.row.age_us is None else f", {format_age(chain.row.age_us)} old"
    wrong = in_one_line(cause or (f"no SLA is broken, but {row.note}" if row.note else "nothing is wrong"))
    return [
        f"{row.label} in {environment} as of {format_instant(chain.now)}: {verdict_of(chain, cause)}{age}{_sla(chain)}",
        f"cause: {wrong}" if cause else wrong,
    ]


def _sla(chain: Chain) -> str:
    bound = chain.row.freshness
    return "" if bound is None else f" (SLA {sla(bound)})"


def _links(chain: Chain) -> PageBlock:
    behind = [chain.table, *([chain.online] if chain.online else [])]
    workers = [] if chain.workers is None else _workers(chain.workers)
    sources, behind_rows = ([_link(link, chain.now) for link in links] for links in (chain.sources, behind))
    return [PageTable(head=_LINKS, rows=[*sources, *workers, *behind_rows])]


def _workers(status: StreamStatus) -> list[list[str]]:
    """Return the rows of the topic, whose events wait or not, and of who takes them."""
    if (failure := status.failures.get(TOPIC)) is not None:
        return [["topic", f"ERROR: {failure}"]]
    rows = [["topic", *"-----", "-" if status.unread is None else f"{format_count(status.unread)} unread"]]
    if status.readers is not None:
        working = [of for of in status.readers.values() if of]
        partitions = counted(sum(len(of) for of in working), "partition")
        rows.append(["workers", *"-----", f"{len(working):,} on {partitions}" if working else "none"])
    return rows


def _link(link: ChainLink, now: datetime) -> list[str]:
    name = f"source {link.name}" if link.kind == "source" else _KINDS[link.kind]
    if link.error:
        return [name, f"ERROR: {link.error}"]
    age = link.age_us(now)
    event, available, computed = (_instant(t) for t in (link.newest_event, link.newest_available, link.computed_at))
    version = "-" if link.version is None else f"v{link.version}"
    state = "of later than now" if link.is_ahead(now) else link.verdict or "-"
    return [name, event, available, "-" if age is None else format_age(age), computed, version, state]


def _models(chain: Chain) -> PageBlock:
    return [f"models: {', '.join(chain.models) if chain.models else 'none is trained on it'}"]


def _runs(chain: Chain) -> PageBlock:
    """Return the last runs, the newest first, and the last that failed where none of these has."""
    if chain.unread:
        return [f"runs: {in_one_line(chain.unread)}"]
    if not chain.runs:
        return ["runs: none is on record in 30 days"]
    shown = list(reversed(chain.runs[-_SHOWN:]))
    before = [run for run in chain.runs[:-_SHOWN] if has_failed(run)]
    failed = [] if any(has_failed(run) for run in shown) else before[-1:]
    return [PageTable(head=_RUNS, rows=[_run(run) for run in [*shown, *failed]])]


def _run(run: RunRecord) -> list[str]:
    if run.state != "ended":
        return [_instant(run.now), run.command, "-", "-", "-", run_line(run)]
    cells = [_instant(run.now), run.command, run.action or "failed", format_count(run.rows), _instant(run.at)]
    return cells if run.done else [*cells, run_line(run)]


def _checks(chain: Chain) -> PageBlock:
    failing = [history for history in chain.checks if history.failing]
    return [f"failed check of {h.of}: {h.label} ({h.severity})" for h in failing]


def _entity(values: EntityValues) -> PageBlock:
    title = " ".join(values.words)
    if values.history is None:
        return [f"{title}: {in_one_line(values.error)}"]
    lines = [f"offline: {_clocks(values.history.now)}"]
    if values.error:
        lines.insert(0, f"online: {in_one_line(values.error)}")
    if values.online is not None:
        lines.insert(0, f"online: {_clocks(values.online)}, computed {_instant(values.online.computed_at)}")
    return [title, *lines, PageTable(head=_VALUES, rows=_features(values.history.now, values.online))]


def _features(offline: Answer, online: Answer | None) -> list[list[str]]:
    rows = []
    for name, found in offline.values.items():
        there = None if online is None else online.values[name]
        shown = ["-", "-"] if there is None else [shown_value(there.value), there.status]
        rows.append([name, *shown, f"{shown_value(found.value)} {found.status}"])
    return rows


def _clocks(answer: Answer) -> str:
    if all(value.status == "NOT_FOUND" for value in answer.values.values()):
        return "no row of it"
    return f"event {_instant(answer.event_time)}, available {_instant(answer.available_at)}"


def _changes(values: EntityValues, width: int) -> PageBlock:
    """Return what changed with each of the last rows, the newest first."""
    if values.history is None or not values.history.changes:
        return []
    before, rows = values.history.before, []
    for change in values.history.changes:
        rows.append([_instant(change.at), _instant(change.event_time), _changed(before, change.values, width)])
        before = change.values
    return [PageTable(head=_CHANGES, rows=rows[::-1])]


def _changed(before: Mapping[str, object], after: Mapping[str, object], width: int) -> str:
    """Return what changed in six digits, as much of it as there is room for, and of how many features more."""
    moves = [(name, _digits(before.get(name)), _digits(value)) for name, value in after.items()]
    parts = [f"{name} {old} -> {new}" for name, old, new in moves if old != new]
    shown = 1
    while shown < len(parts) and len(", ".join(parts[: shown + 1])) <= width:
        shown += 1
    more = f" and {len(parts) - shown} more" if len(parts) > shown else ""
    return ", ".join(parts[:shown]) + more or "no feature changed"


def _digits(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else shown_value(value)


def _instant(instant: datetime | None) -> str:
    return "-" if instant is None else format_instant(instant)


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else format_iso(instant)


def _link_json(link: ChainLink, now: datetime) -> dict[str, object]:
    age = link.age_us(now)
    return {
        "kind": link.kind,
        "name": link.name,
        "newest_event": _iso(link.newest_event),
        "newest_available": _iso(link.newest_available),
        "age_seconds": None if age is None else age / 1_000_000,
        "computed_at": _iso(link.computed_at),
        "table_version": link.version,
        "of_later": link.is_ahead(now),
        "state": link.verdict or None,
        "error": link.error or None,
    }


def _entity_json(values: EntityValues) -> dict[str, object]:
    history = values.history
    return {
        "entity": {name: plain_value(value) for name, value in values.entity.items()},
        "error": values.error or None,
        "online": None if values.online is None else _answer_json(values.online),
        "offline": None if history is None else _answer_json(history.now),
        "changes": [] if history is None else _changes_json(history.changes),
    }


def _answer_json(answer: Answer) -> dict[str, object]:
    return {
        "event_time": _iso(answer.event_time),
        "available_at": _iso(answer.available_at),
        "computed_at": _iso(answer.computed_at),
        "features": {n: {"value": plain_value(v.value), "status": v.status} for n, v in answer.values.items()},
    }


def _changes_json(changes: Sequence[Changed]) -> list[dict[str, object]]:
    return [
        {
            "known": format_iso(change.at),
            "event_time": _iso(change.event_time),
            "available_at": _iso(change.available_at),
            "values": {name: plain_value(value) for name, value in change.values.items()},
        }
        for change in changes
    ]
