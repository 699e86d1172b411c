"""A declared notifier as one that can send; its variables are filled here, and kept nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import assert_never

from featurectl.core.errors import UsageError
from featurectl.core.variables import expand
from featurectl.language.definitions.alerts import Notifier
from featurectl.notifiers import base, email, pagerduty
from featurectl.notifiers.command import CommandNotifier
from featurectl.notifiers.email import EmailNotifier
from featurectl.notifiers.pagerduty import PagerDutyNotifier
from featurectl.notifiers.slack import SlackNotifier
from featurectl.notifiers.webhook import WebhookNotifier


def open_notifier(notifier: Notifier, environ: Mapping[str, str], root: Path) -> base.NotifierChannel:
    """Return what sends to the address of a notifier; `root` is the folder in which commands run.

    Raises:
        UsageError: a variable is not set.
    """
    place = f"notifier {notifier.name}"
    if notifier.way == "command":
        return CommandNotifier(notifier.address, root, partial(expand, environ=environ, place=place))
    address = expand(notifier.address, environ, place)
    match notifier.way:
        case "slack":
            return SlackNotifier(address)
        case "pagerduty":
            return PagerDutyNotifier(address, environ.get(pagerduty.URL_VARIABLE) or pagerduty.URL)
        case "webhook":
            return WebhookNotifier(address)
        case "email":
            url = environ.get(email.URL_VARIABLE)
            if not url:
                told = f"the environment variable {email.URL_VARIABLE} is not set ({place})"
                raise UsageError(told, hint=f"export {email.URL_VARIABLE}=smtp://user:password@host:587")
            return EmailNotifier(address, email.smtp_server(url, environ.get(email.FROM_VARIABLE, "")))
        case _:
            assert_never(notifier.way)
