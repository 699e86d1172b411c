"""`featurectl status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from featurectl.cli.call import Call, Outcome
from featurectl.cli.verb import verb
from featurectl.units import format_iso

if TYPE_CHECKING:
    from featurectl.registry.state import ObjectVersion


def add_to(app: typer.Typer) -> None:
    """Add the command."""

    @verb(app, "status", as_of=True)
    def status(call: Call) -> Outcome:
        """Show how old sources and views are against their SLAs.

        Exits 1 when one is past `error_after`, or can't be seen.
        """
        from featurectl.cli.render.status import render_status, status_json
        from featurectl.monitor.status import ServedView, check_source, check_views
        from featurectl.online.stored import online_view
        from featurectl.open import open_workspace
        from featurectl.spec.definition_json import load_source, load_view
        from featurectl.training.bind import view_table

        with open_workspace(call.root(), call.env, call.instant(), "unread") as workspace:
            state = workspace.state()
            served = []
            for item in sorted((o for o in state.objects if o.kind == "feature_view" and o.current), key=_order):
                view = load_view(item.definition)
                where = online_view(view, item.version, workspace.project, workspace.environment.name)
                table = view_table(workspace.offline(), view, item.version)
                online = where if view.online else None
                served.append(ServedView(view=view, version=item.version, table=table, online=online))
            call.progress.start("look at the stores")
            rows = check_views(served, workspace.online, workspace.now)
            sources = [load_source(o.definition) for o in state.objects if o.kind == "source" and o.current]
            watched = sorted((s for s in sources if s.freshness is not None), key=lambda s: s.name)
            rows += [check_source(source, workspace.source, workspace.now) for source in watched]
            call.progress.done("")
            now = workspace.now
        broken = any(row.verdict in ("STALE", "ERROR") for row in rows)
        text = render_status(rows, now) if rows else "Nothing is applied yet: featurectl apply"
        result = {"now": format_iso(now), "rows": [status_json(row) for row in rows]}
        return Outcome(text=text, result=result, exit_code=1 if broken else 0)


def _order(item: ObjectVersion) -> tuple[str, int]:
    return item.name, item.version
