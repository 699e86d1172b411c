"""Send a test message through a notifier that is applied, as a message of an alert would be sent."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from featurectl.core.units import format_iso
from featurectl.language.definitions.alerts import Notifier
from featurectl.language.definitions.json_form import load_notifier
from featurectl.notifiers.all_notifiers import open_notifier
from featurectl.notifiers.base import IncidentMessage, NotSentError
from featurectl.registry.applied import not_applied
from featurectl.workspace.actor import caller
from featurectl.workspace.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierTrial:
    """What was sent through a notifier, and what came back: `answer`, or the `error` by which it was not taken."""

    notifier: Notifier
    message: IncidentMessage
    answer: str = ""
    error: NotSentError | None = None


def try_notifier(workspace: Workspace, name: str) -> NotifierTrial:
    """Send a test message through the applied notifier of a name.

    No alert is touched, and nothing of it is written. Where an incident is opened by it, it is resolved again.

    Raises:
        UsageError: none of this name is applied, or a variable of its address is not set.
        CheckFailedError: nothing is applied. StoreError: the registry can't be read.
    """
    state = workspace.applied_state()
    found = state.current("notifier", name)
    if found is None:
        raise not_applied(state, "notifier", name)
    notifier = load_notifier(found.definition)
    channel = open_notifier(notifier, workspace.environ, workspace.root)
    message = _test_message(workspace, name)
    try:
        return NotifierTrial(notifier=notifier, message=message, answer=channel.send(message))
    except NotSentError as error:
        return NotifierTrial(notifier=notifier, message=message, error=error)


def _test_message(workspace: Workspace, name: str) -> IncidentMessage:
    """Return a message of no alert; its key is that of no other."""
    environment, at = workspace.environment.name, format_iso(workspace.now)
    key = f"featurectl/{workspace.project}/{environment}/test/{name}/{at}/{secrets.token_hex(4)}"
    return IncidentMessage(
        id=f"{key}/test",
        key=key,
        kind="test",
        project=workspace.project,
        environment=environment,
        alert="test",
        subject=f"notifier:{name}",
        severity="info",
        condition="none: featurectl monitor test was run",
        value="",
        measured=None,
        cause=f"{caller()} tries out notifier {name}; nothing is wrong",
        since=at,
        at=at,
        look=f"featurectl monitor check --env {environment}",
    )
