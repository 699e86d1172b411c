"""Alerts as people read them, and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from featurectl.core.units import counted, format_instant, format_iso, plural
from featurectl.language.definitions.alerts import format_measure, plain_measure
from featurectl.monitor.alerts.deliver import DeliveryAttempt
from featurectl.monitor.alerts.evaluate import AlertEvaluation
from featurectl.monitor.alerts.evaluated_subjects import SubjectEvaluation, subjects_of
from featurectl.monitor.alerts.evaluation_run import EvaluationRun
from featurectl.notifiers.base import describe_incident
from featurectl.registry.alert_state import Delivery, Silence
from featurectl.render.feature_values import plain_value
from featurectl.render.table import NarrowForm, render_table
from featurectl.render.visible import in_one_line

_HEAD = ("alert", "about", "state", "value", "threshold", "since", "cause")
_NARROW: Final = NarrowForm(last="below")
_STATES: Final = ("pending", "not seen", "changed later and left alone", "ok", "not measured")  # beside those that fire
_SILENCES = ("silence", "alert", "subject", "until", "who", "reason")


def render_evaluation_run(found: EvaluationRun, *, dry: bool, verbose: bool = False) -> str:
    """Return the table of `monitor check`, worst first, what was sent below it, and its last line.

    What is well is counted there, and listed where `verbose`.
    """
    if not found.alerts and not found.evaluations:
        return "No alert is applied: declare `alerts:` and `notifiers:`, then featurectl apply"
    rows = [row for item in sorted(found.evaluations, key=_rank) for row in _rows(item, verbose=verbose)]
    lines = render_table(_HEAD, rows, narrow=_NARROW) if rows else []
    messages = [in_one_line(line) for line in _message_lines(found, dry=dry)]
    return "\n".join([*lines, *([""] if lines else []), *messages, *([""] if messages else []), _summary(found)])


def _message_lines(found: EvaluationRun, *, dry: bool) -> list[str]:
    """Return what was sent, or with `dry` would be, and what waits."""
    would = [
        f"would tell {message.notifier}: {item.after.alert} ({_about(item)}) {message.kind}"
        for item in found.evaluations
        for message in item.messages
    ]
    tried = {sent.delivery.id for sent in found.sent}
    silenced = {(item.after.alert, item.after.root_cause) for item in found.evaluations if item.silence is not None}
    waiting = [_unsent_line(d, held=(d.alert, d.root_cause) in silenced) for d in found.unsent if d.id not in tried]
    return [*(would if dry else [_sent_line(sent) for sent in found.sent]), *waiting]


def evaluation_run_lines(found: EvaluationRun) -> Iterator[str]:
    """Return what `monitor run` tells of a round: what has changed, and what was sent."""
    for item in found.evaluations:
        before, after = item.before, item.after
        if (before.status, before.error) != (after.status, after.error):
            state, cause = after.status, after.cause
            known = f"{state}{f', {cause}' if cause else ''}"
            shown = f"not seen: {after.error} (before: {known})" if after.error else known
            yield f"{after.alert} ({describe_incident(after.root_cause, after.names)}): {shown}"
    for sent in found.sent:
        yield _sent_line(sent)


def evaluation_run_json(found: EvaluationRun) -> dict[str, object]:
    """Return a round ready for JSON: every subject, and every root cause by which something is, or was, not well."""
    deliveries = [sent.delivery for sent in found.sent]
    tried = {delivery.id for delivery in deliveries}
    deliveries += [delivery for delivery in found.unsent if delivery.id not in tried]
    return {
        "alerts": [_subject_json(item, seen) for item in found.evaluations for seen in subjects_of(item)],
        "incidents": [_incident_json(i) for i in found.evaluations if i.before.is_open or i.after.is_open],
        "deliveries": [_delivery_json(delivery) for delivery in deliveries],
    }


def render_silence(silence: Silence) -> str:
    """Return what a new silence says."""
    of = "" if silence.subject == "*" else f" ({silence.subject})"
    end = f"earlier: featurectl monitor silence --end {silence.id}"
    return f"Silence {silence.id} of {silence.alert}{of} until {format_instant(silence.until)}\n{end}"


def render_silences(silences: Sequence[Silence]) -> str:
    """Return the table of silences."""
    if not silences:
        return "Nothing is silenced."
    rows = [[s.id, s.alert, s.subject, format_instant(s.until), s.who, s.reason or "-"] for s in silences]
    return "\n".join(render_table(_SILENCES, rows))


def silence_json(silence: Silence) -> dict[str, object]:
    """Return a silence ready for JSON."""
    return {
        "id": silence.id,
        "alert": silence.alert,
        "subject": silence.subject,
        "until": format_iso(silence.until),
        "created_at": format_iso(silence.created_at),
        "who": silence.who,
        "reason": silence.reason,
    }


def _rank(item: AlertEvaluation) -> tuple[bool, bool]:
    """Return where a root cause stands: what fires, what is pending or can't be seen, and then all that is well."""
    firing = item.after.status == "firing"
    return not firing, not firing and item.after.status != "pending" and not item.after.error


def _rows(item: AlertEvaluation, *, verbose: bool) -> Iterator[list[str]]:
    """Give the rows of a root cause: its own, below it those of its subjects, and then what is well."""
    subjects, after = subjects_of(item), item.after
    within = [seen for seen in subjects if seen.state in ("pending", "firing")]
    if len(within) == 1:
        yield _cells(item, within[0], describe_incident(after.root_cause, [within[0].name]))
    elif within:
        yield _cells(item, replace(within[0], silenced=item.silence is not None, error=""), after.root_cause)
        yield from (_cells_below(item, seen, within[0]) for seen in within)
    for seen in subjects:
        if seen not in within and (seen.error or verbose):
            yield _cells(item, seen, seen.name)


def _cells(item: AlertEvaluation, seen: SubjectEvaluation, name: str) -> list[str]:
    after, is_open = item.after, seen.state in ("pending", "firing")
    since = format_instant(after.since) if after.since is not None and is_open else "-"
    cause = seen.error or (seen.cause if is_open or _is_unmeasured(seen) else "")
    return [after.alert, name, _state(item, seen), _value(item, seen), after.condition or "-", since, cause]


def _cells_below(item: AlertEvaluation, seen: SubjectEvaluation, first: SubjectEvaluation) -> list[str]:
    """Return the row of one of several subjects: what differs from that of its root cause."""
    state = _state(item, seen) if seen.error or (seen.silenced and item.silence is None) else ""
    cause = "" if seen.cause == first.cause else seen.error or seen.cause
    return ["", f"  {seen.name}", state, _value(item, seen), "", "", cause]


def _state(item: AlertEvaluation, seen: SubjectEvaluation) -> str:
    if seen.error:
        return "not seen"
    if _is_unmeasured(seen):
        return "not measured"
    return f"{seen.state} (later)" if item.past else f"{seen.state} (silenced)" if seen.silenced else seen.state


def _is_unmeasured(seen: SubjectEvaluation) -> bool:
    """Return whether a subject is well for want of a value alone."""
    return seen.state in ("ok", "resolved") and seen.value is None and not seen.error


def _value(item: AlertEvaluation, seen: SubjectEvaluation) -> str:
    return "-" if seen.value is None else format_measure(item.after.condition.partition(" ")[0], seen.value)


def _sent_line(sent: DeliveryAttempt) -> str:
    delivery = sent.delivery
    what = f"{delivery.alert} ({describe_incident(delivery.root_cause, delivery.subjects)}) {delivery.kind}"
    if delivery.state == "sent":
        return f"told {delivery.notifier}: {what}"
    return _unsent_line(delivery)


def _unsent_line(delivery: Delivery, *, held: bool = False) -> str:
    what = f"{delivery.alert} ({describe_incident(delivery.root_cause, delivery.subjects)}) {delivery.kind}"
    ways = {"failed": "given up", "waiting": "waits to be sent again"}
    way = ways.get(delivery.state, delivery.state) if delivery.attempts else "waits to be sent"
    if held and delivery.state == "waiting":
        return f"not told {delivery.notifier}: {what}, held while it is silenced"
    return f"not told {delivery.notifier}: {what}, {way}{f': {delivery.error}' if delivery.error else ''}"


def _summary(found: EvaluationRun) -> str:
    """Return how many subjects the alerts have, each counted once by its state, and by how many causes some fire."""
    states = [(item, seen) for item in found.evaluations for seen in subjects_of(item)]
    counts = Counter(_counted_as(item, seen) for item, seen in states)
    causes = sum(item.after.status == "firing" and not item.past for item in found.evaluations)
    silenced = sum(seen.silenced and _counted_as(item, seen) == "firing" for item, seen in states)
    by = f" by {counted(causes, 'cause')}" if causes != counts["firing"] else ""
    first = f"{counts['firing']} firing{by}" + (f" ({silenced} silenced)" if silenced else "")
    rest = [f"{counts[name]} {name}" for name in _STATES if counts[name]]
    without = len(found.alerts.keys() - {item.after.alert for item in found.evaluations})
    none = f" {counted(without, 'alert')} {plural(without, 'has', 'have')} none." if without else ""
    subjects = f"{counted(len(found.alerts), 'alert')} with {counted(len(states), 'subject')}"
    return f"{subjects}: {', '.join([first, *rest])}.{none}"


def _counted_as(item: AlertEvaluation, seen: SubjectEvaluation) -> str:
    if item.past:
        return "changed later and left alone"
    if seen.state == "firing":
        return "firing"
    if seen.error:
        return "not seen"
    return "not measured" if _is_unmeasured(seen) else "pending" if seen.state == "pending" else "ok"


def _about(item: AlertEvaluation) -> str:
    return describe_incident(item.after.root_cause, [subject.name for subject in item.heard])


def _subject_json(item: AlertEvaluation, seen: SubjectEvaluation) -> dict[str, object]:
    after = item.after
    return {
        "alert": after.alert,
        "subject": seen.name,
        "root_cause": after.root_cause,
        "severity": after.severity,
        "condition": after.condition,
        "state": seen.state,
        "was": seen.was,
        "later": item.past,
        "value": plain_value(_plain(after.condition, seen.value)),
        "cause": seen.cause or None,
        "error": seen.error or None,
        "since": _iso(after.since) if seen.state in ("pending", "firing") else None,
        "incident": after.incident,
        "silenced_until": _iso(item.silence.until) if item.silence else None,
        "tells": [{"notifier": message.notifier, "kind": message.kind} for message in item.messages],
    }


def _incident_json(item: AlertEvaluation) -> dict[str, object]:
    after = item.after
    return {
        "alert": after.alert,
        "root_cause": after.root_cause,
        "severity": after.severity,
        "condition": after.condition,
        "state": after.status,
        "was": item.before.status,
        "later": item.past,
        "cause": after.cause or None,
        "since": _iso(after.since),
        "incident": after.incident,
        "subjects": list(after.names),
        "silenced": [seen.name for seen in subjects_of(item) if seen.silenced],
        "silenced_until": _iso(item.silence.until) if item.silence else None,
        "tells": [{"notifier": message.notifier, "kind": message.kind} for message in item.messages],
    }


def _plain(condition: str, value: float | None) -> float | None:
    return None if value is None else plain_measure(condition.partition(" ")[0], value)


def _delivery_json(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "key": delivery.message["key"],
        "notifier": delivery.notifier,
        "kind": delivery.kind,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "error": delivery.error or None,
    }


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else format_iso(instant)
