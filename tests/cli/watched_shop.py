"""The shop with an alert on what is stale, and two notifiers."""

from __future__ import annotations

from pathlib import Path

from featurectl.cli.main import main
from tests.cli.shop import apply_shop, materialize_shop, write_shop

ALERTS = """
notifiers:
  - {name: file, command: "tee -a told.jsonl"}
  - {name: hook, webhook: "${HOOK_URL}"}
alerts:
  - name: stale
    when: freshness > 24h
    views: [spend]
    severity: critical
    notify: [file]
    for: 1h
    repeat: 6h
"""
FRESH = "2026-01-08T00:00:00Z"  # the last order became known at 2026-01-07 10:00
STOPPED = "source orders has had nothing new for 26 h: its newest row became available 2026-01-07 10:00"
STALE, AN_HOUR_ON, LATER = "2026-01-08T11:00:00Z", "2026-01-08T12:00:00Z", "2026-01-08T18:00:00Z"


def make_watched_shop(folder: Path) -> Path:
    """Write the shop with its alert; apply, materialize and push it."""
    root = write_shop(folder)
    (root / "alerts.yaml").write_text(ALERTS)
    apply_shop(root)
    materialize_shop(root)
    assert main(["push", "-C", str(root), "-q"]) == 0
    return root


def change_alerts(root: Path, old: str, new: str) -> None:
    """Write another text in the place of one of the file of alerts."""
    path = root / "alerts.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
