"""Alerts as people read them, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from featurectl.cli.render.feature_values import plain_value
from featurectl.cli.render.table import render_table
from featurectl.cli.render.visible import in_one_line
from featurectl.core.units import counted, format_instant, format_iso, plural
from featurectl.language.definitions.alerts import format_measure, plain_measure
from featurectl.monitor.alerts.deliver import DeliveryAttempt
from featurectl.monitor.alerts.evaluate import AlertEvaluation
from featurectl.monitor.alerts.evaluation_run import EvaluationRun
from featurectl.registry.alert_state import Delivery, Silence

_HEAD = ("alert", "subject", "state", "value", "threshold", "since", "cause")
_SILENCES = ("silence", "alert", "subject", "until", "who", "reason")


def render_evaluation_run(found: EvaluationRun, *, dry: bool) -> str:
    """Return the table of `monitor check`, worst first, what was sent below it, and its last line."""
    if not found.alerts and not found.evaluations:
        return "No alert is applied: declare `alerts:` and `notifiers:`, then featurectl apply"
    lines = (
        render_table(_HEAD, [_cells(item) for item in sorted(found.evaluations, key=_rank)])
        if found.evaluations
        else []
    )
    messages = [
        f"would tell {t.notifier}: {i.after.alert} ({i.after.subject}) {t.kind}"
        for i in found.evaluations
        for t in i.messages
    ]
    messages = messages if dry else [_sent_line(sent) for sent in found.sent]
    tried = {sent.delivery.id for sent in found.sent}
    silenced = {(item.after.alert, item.after.subject) for item in found.evaluations if item.silence is not None}
    messages += [_unsent_line(d, held=(d.alert, d.subject) in silenced) for d in found.unsent if d.id not in tried]
    messages = [in_one_line(line) for line in messages]
    return "\n".join([*lines, *([""] if lines else []), *messages, *([""] if messages else []), _summary(found)])


def evaluation_run_lines(found: EvaluationRun) -> Iterator[str]:
    """Return what `monitor run` tells of a round: what has changed, and what was sent."""
    for item in found.evaluations:
        before, after = item.before, item.after
        if (before.status, before.error) != (after.status, after.error):
            state, cause = after.status, after.cause
            known = f"{state}{f', {cause}' if cause else ''}"
            shown = f"not seen: {after.error} (before: {known})" if after.error else known
            yield f"{after.alert} ({after.subject}): {shown}"
    for sent in found.sent:
        yield _sent_line(sent)


def evaluation_run_json(found: EvaluationRun) -> dict[str, object]:
    """Return a round ready for JSON."""
    deliveries = [sent.delivery for sent in found.sent]
    tried = {delivery.id for delivery in deliveries}
    deliveries += [delivery for delivery in found.unsent if delivery.id not in tried]
    return {
        "alerts": [_evaluation_json(item) for item in found.evaluations],
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
    """Return where a row stands: what fires, what is pending or can't be seen, and then all that is well."""
    firing = item.after.status == "firing"
    return not firing, not firing and item.after.status != "pending" and not item.observation.error


def _cells(item: AlertEvaluation) -> list[str]:
    after, value = item.after, item.observation.value
    metric = after.condition.partition(" ")[0]
    state = f"{after.status} (silenced)" if item.silence and after.status in ("pending", "firing") else after.status
    state = f"{after.status} (later)" if item.past else state
    cells = [
        after.alert,
        after.subject,
        "not seen" if item.observation.error else state,
        "-" if value is None else format_measure(metric, value),
        after.condition or "-",
        "-" if after.since is None else format_instant(after.since),
    ]
    cause = item.observation.error or (item.observation.cause if after.status in ("pending", "firing") else "")
    return [*cells, cause] if cause else cells


def _sent_line(sent: DeliveryAttempt) -> str:
    delivery = sent.delivery
    what = f"{delivery.alert} ({delivery.subject}) {delivery.kind}"
    if delivery.state == "sent":
        return f"told {delivery.notifier}: {what}"
    return _unsent_line(delivery)


def _unsent_line(delivery: Delivery, *, held: bool = False) -> str:
    what = f"{delivery.alert} ({delivery.subject}) {delivery.kind}"
    ways = {"failed": "given up", "waiting": "waits to be sent again"}
    way = ways.get(delivery.state, delivery.state) if delivery.attempts else "waits to be sent"
    if held and delivery.state == "waiting":
        return f"not told {delivery.notifier}: {what}, held while it is silenced"
    return f"not told {delivery.notifier}: {what}, {way}{f': {delivery.error}' if delivery.error else ''}"


def _summary(found: EvaluationRun) -> str:
    firing = [item for item in found.evaluations if item.after.status == "firing"]
    silenced = sum(item.silence is not None for item in firing)
    pending = sum(item.after.status == "pending" for item in found.evaluations)
    unseen = sum(bool(item.observation.error) for item in found.evaluations)
    past = sum(item.past for item in found.evaluations)
    rest = [f"{pending} pending" if pending else "", f"{unseen} not seen" if unseen else ""]
    rest += [f"{past} changed later and left alone" if past else ""]
    count = f"{len(firing)} firing" + (f" ({silenced} silenced)" if silenced else "")
    many = counted(len(found.alerts), "alert")
    of = f" of {many}, {len(found.evaluations)} {plural(len(found.evaluations), 'subject')}."
    return ", ".join([count, *(text for text in rest if text)]) + of


def _evaluation_json(item: AlertEvaluation) -> dict[str, object]:
    after = item.after
    return {
        "alert": after.alert,
        "subject": after.subject,
        "severity": after.severity,
        "condition": after.condition,
        "state": after.status,
        "was": item.before.status,
        "later": item.past,
        "value": plain_value(_plain(after.condition, item.observation.value)),
        "cause": item.observation.cause or None,
        "error": item.observation.error or None,
        "since": _iso(after.since),
        "incident": after.incident,
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
