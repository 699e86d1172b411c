"""Any URL that takes JSON."""

from __future__ import annotations

from urllib.parse import quote

from featurectl.notifiers.base import ChannelSettings, IncidentMessage
from featurectl.notifiers.http import answered, post_json


class WebhookNotifier:
    """Posts the message as it is; a try again has the same `Idempotency-Key`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: IncidentMessage) -> str:
        """Send a message; any answer of 2xx takes it.

        Raises:
            NotSentError: it was not taken.
        """
        document = message.to_json() | {"title": message.title}
        key = quote(message.id, safe="/:@ ")  # a header holds no other letters
        answer = post_json("the webhook", self._url, document, {"idempotency-key": key})
        return answered("the webhook", answer)


def open_webhook(settings: ChannelSettings) -> WebhookNotifier:
    """Return what posts to a URL."""
    return WebhookNotifier(settings.expanded())
