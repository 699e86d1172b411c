"""PagerDuty, by its Events API v2.

Source: https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Final

from featurectl.core.documents import parse_json
from featurectl.notifiers.base import ChannelSettings, IncidentMessage, NotSentError
from featurectl.notifiers.http import post_json

URL_VARIABLE: Final = "FEATURECTL_PAGERDUTY_URL"  # in place of the address below: a proxy, the service in Europe
URL: Final = "https://events.pagerduty.com/v2/enqueue"
_MOST_SUMMARY: Final = 1_024
_MOST_KEY: Final = 255


class PagerDutyNotifier:
    """Triggers and resolves incidents of the service that a routing key belongs to."""

    def __init__(self, routing_key: str, url: str = URL) -> None:
        self._routing_key = routing_key
        self._url = url

    def send(self, message: IncidentMessage) -> str:
        """Send a message; PagerDuty joins those with one key to one incident. A test is resolved at once.

        Raises:
            NotSentError: it was not taken; or an incident of a test was opened, and stays open.
        """
        said = self._send(pagerduty_event(message, self._routing_key))
        if message.kind != "test":
            return said
        try:
            self._send(pagerduty_event(replace(message, kind="resolved"), self._routing_key))
        except NotSentError as error:
            opened = "PagerDuty opened the incident of the test, and it stays open, for it was not resolved again"
            raise NotSentError(f"{opened}: {error.message}", again=error.again, down=error.down) from error
        return f"{said}; the incident of the test was resolved again"

    def _send(self, event: dict[str, object]) -> str:
        answer = post_json("PagerDuty", self._url, event, secret=self._routing_key)
        try:
            status = parse_json(answer).get("status")
        except (ValueError, AttributeError):
            status = None
        if status != "success":
            raise NotSentError(f"PagerDuty answered 2xx, and not with success: {answer[:200]}", again=True)
        return "PagerDuty answered success"


def pagerduty_event(message: IncidentMessage, routing_key: str) -> dict[str, object]:
    """Return a message as an event: one that is resolved has no payload."""
    event: dict[str, object] = {"routing_key": routing_key, "dedup_key": dedup_key(message.key)}
    if message.kind in ("resolved", "succeeded"):
        return event | {"event_action": "resolve"}
    payload = {
        "summary": f"{message.title}: {message.cause}"[:_MOST_SUMMARY],
        "source": f"{message.project}/{message.environment}/{message.subject}",
        "severity": message.severity,
        "timestamp": message.at,
        "component": message.subject,
        "group": message.project,
        "class": message.alert,
        "custom_details": dict(message.lines),
    }
    return event | {"event_action": "trigger", "client": "featurectl", "payload": payload}


def dedup_key(key: str) -> str:
    """Return a key that is no longer than PagerDuty allows, and still no other's.

    >>> dedup_key("featurectl/shop/prod/old/view:spend@1/3"), len(dedup_key("k" * 300))
    ('featurectl/shop/prod/old/view:spend@1/3', 255)
    """
    if len(key) <= _MOST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{key[: _MOST_KEY - len(digest) - 1]}/{digest}"


def open_pagerduty(settings: ChannelSettings) -> PagerDutyNotifier:
    """Return what sends events with a routing key, to the address that a variable names where it does."""
    return PagerDutyNotifier(settings.expanded(), settings.environ.get(URL_VARIABLE) or URL)
