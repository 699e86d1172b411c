"""All routes of a server, in the order of its document."""

from __future__ import annotations

from typing import Final

from featurectl.serving.routes import (
    events,
    features,
    fresh,
    health,
    metrics,
    models,
    predict,
    predict_flat,
    ready,
    views,
)
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.openapi import openapi_route

_OTHERS: Final = (
    features.ROUTE,
    predict.ROUTE,
    predict_flat.ROUTE,
    health.ROUTE,
    ready.ROUTE,
    fresh.ROUTE,
    metrics.ROUTE,
    models.ROUTE,
    views.ROUTE,
    events.ROUTE,
)
ROUTES: Final[tuple[HttpRoute, ...]] = (*_OTHERS, openapi_route(_OTHERS))
