"""A repository with pipelines and deployments of every kind, and what is rendered of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from featurectl.language.definitions.pipelines import Pipeline, PipelineStage, Resources
from featurectl.pipelines.render import files, targets
from featurectl.pipelines.render.files import Rendering
from featurectl.pipelines.render.order import RenderOrder, render_deployments, render_pipelines
from featurectl.pipelines.render.request import PipelineRequest, RenderedFile, Site
from featurectl.pipelines.render.site import SitePlaces

GOLDEN = Path(__file__).parent / "golden"
PROJECT = """project: flights
environments:
  dev: {registry: "sqlite:///.featurectl/registry.db", offline: .featurectl/offline,
        online: "sqlite:///.featurectl/online.db"}
  prod: {registry: "${REGISTRY_URL}", offline: "s3://acme-features/prod", streams: "${REDIS_URL}",
         online: "${REDIS_URL}", }
"""
OBJECTS = """
entities: [{name: carrier, keys: {carrier: string}}]
sources:
  - {name: swipes, stream: {topic: swipes, key: [carrier]}, event_time: at, columns: {carrier: string, at: timestamp}}
  - {name: orders, sql: {url: "${WAREHOUSE_URL:-postgresql://localhost/dwh}", query: select * from orders},
     event_time: at, columns: {carrier: string, at: timestamp}}
feature_views:
  - {name: carriers, entity: carrier, source: orders, aggregates: [{op: count, windows: [1d]}]}
notifiers: [{name: ops, slack: "${SLACK_URL}"}]
pipelines:
  - name: nightly
    schedule: "0 */6 * * *"
    description: Features, synced online, and checked.
    stages:
      - {name: features, run: materialize --no-online, resources: {cpu: 4, memory: 16Gi}, timeout: 2h}
      - {name: sync, run: push, needs: [features], timeout: 30m, retries: 2}
      - {name: exports, run: "get carriers carrier='a b$1' -o json", needs: [features], timeout: 10m,
         resources: {cpu: 500m, gpu: 1}}
      - {name: check, run: monitor check, needs: [sync, exports], timeout: 5m, on_failure: [ops]}
  - name: unlucky
    schedule: "30 4 13 * FRI"
    stages: [{name: all_tables, run: materialize}]
  - name: by_hand
    stages: [{name: all, run: materialize}]
deployments:
  - {name: inference, run: serve --drain 30s, description: Features over HTTP.,
     replicas: {min: 2, max: 20, cpu: 0.7}, resources: {cpu: 2, memory: 2Gi}}
  - {name: swipes, run: stream run swipes, replicas: 3, resources: {cpu: 500m, memory: 1Gi}}
  - {name: watch, run: monitor run}
  - {name: ages, run: monitor export}
"""
IN_PARTS = Pipeline(
    name="in_parts",
    stages=(
        PipelineStage(name="whole", run="materialize", resources=Resources(cpu=2, memory_bytes=4 << 30)),
        PipelineStage(
            name="score_all",
            run="score late --all-keys --out rows/",
            needs=("whole",),
            retries=1,
            resources=Resources(cpu=0.5, memory_bytes=2 << 30, gpu=1, replicas=3),
        ),
        PipelineStage(name="check", run="monitor check", needs=("score_all",)),
    ),
)


SCORES = Pipeline(
    name="scores",
    schedule="0 3 * * *",
    stages=(
        PipelineStage(
            name="score",
            run="score late --all-keys --out 'postgresql://h/$db?table=t'",
            timeout_us=3_600_000_000,
            retries=2,
            resources=Resources(cpu=2, memory_bytes=2 << 30, replicas=4),
            on_failure=("ops",),
        ),
    ),
)


def write_repository(folder: Path) -> Path:
    """Write the repository into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "featurectl.yaml").write_text(PROJECT)
    (folder / "objects.yaml").write_text(OBJECTS)
    return folder


def order(root: Path, target: str, *names: str, env: str = "prod", **more: object) -> RenderOrder:
    """Return an order of what is rendered."""
    return RenderOrder(root=root, env=env, names=names, target=target, **more)  # type: ignore[arg-type]


def texts_of(rendering: Rendering) -> dict[str, str]:
    """Return the texts of files that were written, by their names."""
    return {file.path.name: file.path.read_text() for file in rendering.files}


def pipelines_for(root: Path, target: str, *names: str, places: SitePlaces | None = None) -> dict[str, str]:
    """Return the files of pipelines for a target."""
    return texts_of(render_pipelines(order(root, target, *names, places=places or SitePlaces())))


def deployments_for(root: Path, target: str, *names: str, places: SitePlaces | None = None) -> dict[str, str]:
    """Return the files of deployments for a target."""
    return texts_of(render_deployments(order(root, target, *names, places=places or SitePlaces())))


SITE = Site(project="flights", environment="prod", image="flights:1", folder="/srv/flights")


def files_of(target: str, pipeline: Pipeline, site: Site = SITE) -> list[RenderedFile]:
    """Return the files of a pipeline for a target, without a header."""
    request = PipelineRequest(site=site, pipeline=pipeline, command="")
    return targets.render_pipeline_files(targets.pipeline_target(target), request)


def in_parts_for(target: str, pipeline: Pipeline = IN_PARTS) -> dict[str, str]:
    """Return the text of the one file of a pipeline for a target, by its name."""
    (file,) = files_of(target, pipeline)
    return {file.name: file.text}


def of_release(monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    """Let files be rendered by another release of featurectl."""
    monkeypatch.setattr(files, "__version__", release)
    monkeypatch.setitem(targets.environment().globals, "version", release)


def assert_golden(kind: str, target: str, texts: dict[str, str]) -> None:
    """Compare files with those of a folder; GOLDEN=write writes them again, for a person to read the difference."""
    folder = GOLDEN / kind / target
    if os.environ.get("GOLDEN") == "write":
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for name, text in texts.items():
            (folder / name).write_text(text)
    found = {path.name: path.read_text() for path in sorted(folder.iterdir())} if folder.is_dir() else {}
    assert texts == found, "GOLDEN=write writes them again"


def content(root: Path) -> dict[Path, bytes]:
    """Return what the files below a folder hold."""
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
