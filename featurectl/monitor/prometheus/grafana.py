"""A dashboard for Grafana: freshness, runs and checks of an environment, and its servers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from featurectl.monitor.prometheus.names import LOG_ROWS, LOG_WAITING, PREFIX, REQUESTS, SECONDS, UP

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_LONGEST_UID: Final = 40
_WIDTH: Final = 24
_HEIGHT: Final = 8
_SCHEMA: Final = 39
_COLUMNS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """A panel: its queries by legend, and their unit."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"


def render_dashboard(project: str, environment: str) -> str:
    """Return the JSON of the dashboard; the data source is a variable of it."""
    panels = [_drawn(number, panel) for number, panel in enumerate(_panels(project, environment))]
    document = {
        "id": None,
        "title": f"featurectl: {project} in {environment}",
        "uid": _uid(f"featurectl-{project}-{environment}"),
        "tags": ["featurectl"],
        "schemaVersion": _SCHEMA,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data"}]},
        "panels": panels,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _uid(name: str) -> str:
    """Return a name as the identifier of a dashboard: one that is too long ends with a hash of it."""
    if len(name) <= _LONGEST_UID:
        return name
    mark = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: _LONGEST_UID - len(mark) - 1]}-{mark}"


def _panels(project: str, environment: str) -> list[_Panel]:
    return [*_object_panels(f"project={json.dumps(project)}, environment={json.dumps(environment)}"), *_server_panels()]


def _object_panels(where: str) -> list[_Panel]:
    """Return the panels of an environment's objects; `where` are the labels that select it."""
    named = "{{kind}} {{name}} {{version}}"
    age, bound = f"{PREFIX}age_seconds{{{where}}}", f"{PREFIX}error_after_seconds{{{where}}}"
    stale, entities = f"{PREFIX}stale_entities{{{where}}}", f"{PREFIX}entities{{{where}}}"
    return [
        _Panel(title="Seen", unit="short", kind="stat", queries=((f"{UP}{{{where}}}", "1: yes"),)),
        _Panel(
            title="Stale or not seen",
            unit="short",
            kind="stat",
            queries=((f'sum({PREFIX}state{{{where}, state=~"STALE|ERROR"}})', "objects"),),
        ),
        _Panel(
            title="Failed: last runs, checks",
            unit="short",
            kind="stat",
            queries=(
                (f"sum(featurectl_last_run_failed{{{where}}})", "runs"),
                (f"sum(featurectl_check_failed{{{where}}})", "checks"),
            ),
        ),
        _Panel(title="Age", unit="s", queries=((age, named),)),
        _Panel(title="Age as a share of error_after", unit="percentunit", queries=((f"{age} / {bound}", named),)),
        _Panel(title="Stale entities", unit="percentunit", queries=((f"{stale} / {entities}", named),)),
        _Panel(
            title="Duration of the last run",
            unit="s",
            queries=((f"featurectl_last_run_duration_seconds{{{where}}}", "{{command}} {{view}}@{{version}}"),),
        ),
    ]


def _server_panels() -> list[_Panel]:
    bucket = f"sum by (model, le) (rate({SECONDS}_bucket[5m]))"
    results = f'sum by (model, result) (rate({REQUESTS}{{result!="answered"}}[5m]))'
    return [
        _Panel(
            title="Latency of predictions",
            unit="s",
            queries=tuple(
                (f"histogram_quantile({q}, {bucket})", f"{{{{model}}}} p{q[2:]:0<2}") for q in ("0.5", "0.95", "0.99")
            ),
        ),
        _Panel(
            title="Predictions without a score a second", unit="reqps", queries=((results, "{{model}} {{result}}"),)
        ),
        _Panel(
            title="Predictions a second",
            unit="reqps",
            queries=(("sum by (model, version) (rate(featurectl_predictions_total[5m]))", "{{model}}@{{version}}"),),
        ),
        _Panel(
            title="Errors of the online store a second",
            unit="reqps",
            queries=(("sum(rate(featurectl_online_store_errors_total[5m]))", "errors"),),
        ),
        _Panel(
            title="Prediction log: rows that wait", unit="short", queries=((f"sum({LOG_WAITING})", "rows that wait"),)
        ),
        _Panel(
            title="Prediction log: rows lost a second",
            unit="short",
            queries=((f'sum by (result) (rate({LOG_ROWS}{{result=~"dropped|failed"}}[5m]))', "{{result}}"),),
        ),
    ]


def _drawn(number: int, panel: _Panel) -> dict[str, object]:
    row, column = divmod(number, _COLUMNS)
    width = _WIDTH // _COLUMNS
    targets = [
        {"refId": chr(ord("A") + n), "datasource": _SOURCE, "expr": expr, "legendFormat": legend}
        for n, (expr, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": column * width, "y": row * _HEIGHT, "w": width, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
