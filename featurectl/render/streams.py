"""What commands on streams say, as people read it and as JSON."""

from __future__ import annotations

from featurectl.core.units import counted, format_iso, from_us
from featurectl.streaming.session.sending import SentEvents


def render_sent(sent: SentEvents) -> str:
    """Return how many events a topic was sent, of which times, and what was left out."""
    report = sent.report
    text = f"{counted(report.sent, 'event')} sent to topic {sent.topic} ({sent.shown})"
    if report.first_us is not None and report.last_us is not None:
        text += f", of {format_iso(from_us(report.first_us))} to {format_iso(from_us(report.last_us))}"
    left = f"\n{counted(sent.untimed, 'row')} without an event time left out." if sent.untimed else ""
    ahead = f"\n{counted(sent.ahead, 'event')} dated more than 1 h ahead of now: workers reject them."
    return f"{text}.{left}{ahead if sent.ahead else ''}"


def sent_json(sent: SentEvents) -> dict[str, object]:
    """Return the same ready for JSON."""
    report = sent.report
    times = [None if at is None else format_iso(from_us(at)) for at in (report.first_us, report.last_us)]
    return {
        "source": sent.source,
        "topic": sent.topic,
        "sent": report.sent,
        "first_event_time": times[0],
        "last_event_time": times[1],
        "without_event_time": sent.untimed,
        "ahead_of_now": sent.ahead,
    }
