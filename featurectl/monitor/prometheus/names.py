"""Names that metrics, rules and the dashboard share."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "featurectl_status_"  # of what `status` shows
PREDICT: Final = 'route=~"/predict|/v1/predict/.*"'  # the requests of predictions, among those of a server
