"""A declared notifier as one that can send; its variables are filled here, and kept nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from featurectl.core.errors import UsageError
from featurectl.language.definitions.alerts import Notifier
from featurectl.notifiers.base import ChannelSettings, NotifierChannel
from featurectl.notifiers.command import open_command
from featurectl.notifiers.email import open_email
from featurectl.notifiers.pagerduty import open_pagerduty
from featurectl.notifiers.slack import open_slack
from featurectl.notifiers.webhook import open_webhook

CHANNELS: Final[Mapping[str, Callable[[ChannelSettings], NotifierChannel]]] = {
    "slack": open_slack,
    "pagerduty": open_pagerduty,
    "webhook": open_webhook,
    "email": open_email,
    "command": open_command,
}


def open_notifier(notifier: Notifier, environ: Mapping[str, str], root: Path) -> NotifierChannel:
    """Return what sends to the address of a notifier; `root` is the folder in which commands run.

    Raises:
        UsageError: a variable is not set, or there is no such way.
    """
    place = f"notifier {notifier.name}"
    if notifier.way not in CHANNELS:
        raise UsageError(f"{place}: no way {notifier.way!r}", hint="ways: " + ", ".join(CHANNELS))
    return CHANNELS[notifier.way](ChannelSettings(address=notifier.address, environ=environ, root=root, place=place))
