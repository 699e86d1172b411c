"""`featurectl monitor test`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied

if TYPE_CHECKING:
    from featurectl.monitor.alerts.try_notifier import NotifierTrial


@verb()
def try_notifier(
    call: Call, notifier: Annotated[str, typer.Argument(help="A notifier that is applied.", metavar="NOTIFIER")]
) -> Outcome:
    """Send a test message through a notifier, and show what came back.

    It goes the way of every message, to the address that is applied; no alert is touched. An incident that PagerDuty
    opens by it is resolved at once. Exits 1 when the message was not taken.
    """
    from featurectl.monitor.alerts.try_notifier import try_notifier as send_test

    with open_applied(call) as workspace:
        trial = send_test(workspace, notifier)
    return Outcome(text=_text(trial), result=_json(trial), exit_code=0 if trial.error is None else 1)


def _text(trial: NotifierTrial) -> str:
    message = trial.message
    lines = [f"{name}: {text}" for name, text in (("title", message.title), *message.lines)]
    came = f"came back: {trial.answer}" if trial.error is None else f"not taken: {trial.error.message}"
    did = "sent to" if trial.error is None else "tried to send to"
    return "\n".join([f"{did} {trial.notifier.name} ({trial.notifier.way}):", *(f"  {line}" for line in lines), came])


def _json(trial: NotifierTrial) -> dict[str, object]:
    return {
        "notifier": trial.notifier.name,
        "way": trial.notifier.way,
        "message": trial.message.to_json() | {"title": trial.message.title},
        "taken": trial.error is None,
        "answer": trial.answer or None,
        "error": None if trial.error is None else trial.error.message,
    }
