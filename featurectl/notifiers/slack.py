"""Slack, by an incoming webhook.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from __future__ import annotations

import re
from typing import Final

from featurectl.notifiers.base import ChannelSettings, IncidentMessage, NotSentError
from featurectl.notifiers.http import post_json

_SIGNS: Final = {"info": ":information_source:", "warning": ":warning:", "critical": ":rotating_light:"}
_MOST: Final = 2_900  # characters of a block; Slack takes 3,000


class SlackNotifier:
    """Posts to the URL of a webhook."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, message: IncidentMessage) -> str:
        """Send a message; one that is taken is answered "ok".

        Raises:
            NotSentError: it was not taken.
        """
        answer = post_json("Slack", self._url, slack_document(message))
        if answer.strip() != "ok":
            raise NotSentError("Slack answered 200, and not with ok: is the address that of a webhook?", again=False)
        return "Slack answered ok"


def slack_document(message: IncidentMessage) -> dict[str, object]:
    """Return a message as Slack draws it; `text` is what notifications of devices show."""
    sign = ":white_check_mark:" if message.kind in ("resolved", "succeeded") else _SIGNS[message.severity]
    title = f"{sign} *{_escaped(message.title)}*"
    texts = [_cut(title, _MOST), _below(message)]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}} for text in texts]
    return {"text": _cut(_escaped(f"{message.title}: {message.cause}"), _MOST), "blocks": blocks}


def _below(message: IncidentMessage) -> str:
    """Return the lines of a message; where they are too long, what is cut is the longest of them."""
    lines = [(name, _escaped(text)) for name, text in message.lines]
    over = sum(len(f"*{name}*: {text}\n") for name, text in lines) - _MOST
    longest = max(len(text) for _, text in lines)
    if over > 0:
        lines = [(name, _cut(text, longest - over) if len(text) == longest else text) for name, text in lines]
    return _cut("\n".join(f"*{name}*: {text}" for name, text in lines), _MOST)


def _cut(text: str, most: int) -> str:
    """Return the beginning of an escaped text, of so many characters at most, and no part of an escape.

    >>> _cut("late &amp; stale", 9), _cut("late &amp; stale", 13)
    ('late ...', 'late &amp;...')
    """
    return text if len(text) <= most else re.sub(r"&[a-z]*$", "", text[: max(most - 3, 0)]) + "..."


def _escaped(text: str) -> str:
    """Return a text whose characters mean nothing to Slack: no mention, no link.

    >>> _escaped("<!channel> a & b")
    '&lt;!channel&gt; a &amp; b'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def open_slack(settings: ChannelSettings) -> SlackNotifier:
    """Return what posts to a webhook of Slack."""
    return SlackNotifier(settings.expanded())
