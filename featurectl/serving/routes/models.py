"""`GET /v1/models`: which models are served."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from featurectl.serving.context import ServerContext
from featurectl.serving.http.requests import answered
from featurectl.serving.project.served_project import ServedProject
from featurectl.serving.routes.base import HttpRoute
from featurectl.serving.routes.schemas import TEXT, get, list_of_objects, object_of


async def answer_models(context: ServerContext, _: Request) -> Response:
    """Answer which models are served, with what each asks for."""
    project = context.project
    models = [_model(project, name) for name in project.names()]
    return answered({"models": models, "failures": project.failures, "server_name": context.name})


def _model(project: ServedProject, name: str) -> dict[str, object]:
    state = project.catalog.state
    first = next((model for (known, _), model in sorted(project.models.items()) if known == name), None)
    canary = project.canaries.get(name)
    run = canary.run if canary else None
    return {
        "model": name,
        "versions": [v.version for v in state.model_versions if v.model == name and v.status != "retired"],
        "aliases": {alias: number for (model, alias), number in state.aliases.items() if model == name},
        "loaded": sorted(number for model, number in project.models if model == name),
        "columns": first.reader.columns if first else [],
        "canary": {"version": run.challenger, "percent": run.percent} if run else None,
    }


ROUTE: Final = HttpRoute(
    path="/v1/models",
    answer=answer_models,
    operation=get("Models that are served", object_of(models=list_of_objects(), server_name=TEXT), (401,)),
)
