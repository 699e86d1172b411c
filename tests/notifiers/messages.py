"""A message to send."""

from featurectl.notifiers.base import IncidentMessage

KEY = "featurectl/shop/prod/stale/view:spend@1/3"
MESSAGE = IncidentMessage(
    id=f"{KEY}/firing/4/ops",
    key=KEY,
    kind="firing",
    project="shop",
    environment="prod",
    alert="stale",
    subject="view:spend@1",
    severity="critical",
    condition="freshness > 1d",
    value="2 d",
    measured=172_800_000_000.0,
    cause="source orders stopped: <nobody> knows & why ☃",
    since="2026-11-24T12:00:00Z",
    at="2026-11-24T12:30:00Z",
    look="featurectl why spend --env prod",
)
