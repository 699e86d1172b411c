"""What alerts and notifiers say, field by field: nothing of it changes a value."""

from __future__ import annotations

from featurectl.identity.facts.base import Fact, Facts, duration, names, plain
from featurectl.language.definitions.alerts import Alert, Notifier, format_condition, shown_address


def alert_facts(alert: Alert) -> Facts:
    """Return what an alert says."""
    return {
        "when": plain(format_condition(alert.when)),
        "severity": plain(alert.severity),
        "notify": names(alert.notify),
        "for": duration(alert.for_us or None),
        "repeat": duration(alert.repeat_us),
        "views": names(alert.views),
        "models": names(alert.models),
        "pipelines": names(alert.pipelines),
    }


def notifier_facts(notifier: Notifier) -> Facts:
    """Return what a notifier says; a secret that stands in its address is in no text."""
    return {"way": plain(notifier.way), "address": Fact(notifier.address, shown_address(notifier))}
