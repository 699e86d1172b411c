"""What came of a test message, as people read it."""

from __future__ import annotations

from featurectl.monitor.alerts.try_notifier import NotifierTrial


def render_trial(trial: NotifierTrial) -> str:
    """Return what was sent, and what came back."""
    message = trial.message
    lines = [f"{name}: {text}" for name, text in (("title", message.title), *message.lines)]
    came = f"came back: {trial.answer}" if trial.error is None else f"not taken: {trial.error.message}"
    did = "sent to" if trial.error is None else "tried to send to"
    return "\n".join([f"{did} {trial.notifier.name} ({trial.notifier.way}):", *(f"  {line}" for line in lines), came])
