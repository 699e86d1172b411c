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
    from featurectl.render.notifier_trial import render_trial

    with open_applied(call) as workspace:
        trial = send_test(workspace, notifier)
    return Outcome(text=render_trial(trial), result=_json(trial), exit_code=0 if trial.error is None else 1)


def _json(trial: NotifierTrial) -> dict[str, object]:
    return {
        "notifier": trial.notifier.name,
        "way": trial.notifier.way,
        "message": trial.message.to_json() | {"title": trial.message.title},
        "taken": trial.error is None,
        "answer": trial.answer or None,
        "error": None if trial.error is None else trial.error.message,
    }
