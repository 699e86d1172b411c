"""What definitions say, in words."""

from __future__ import annotations

import re
from typing import Final

from featurectl.core.secrets import hide_address_secrets
from featurectl.core.units import format_duration
from featurectl.language.definitions.alerts import Alert, Notifier, format_condition, shown_address
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.pipelines import Deployment, Pipeline
from featurectl.language.definitions.source import Source
from featurectl.language.definitions.view import Derived, Feature, FeatureView
from featurectl.language.pipeline_words import replicas_text

_CONDITIONAL: Final = re.compile(r"case when \((?P<where>.*)\) then (?P<value>.*) end", re.DOTALL)
_ROWS: Final = "rows"


def feature_words(view: FeatureView, item: Feature | Derived) -> str:
    """Return what a feature is: what of which column, over how long.

    >>> from featurectl.language.definitions.source import Source
    >>> mean = Feature(name="delay_mean_7d", op="mean", column="delay", dtype="float64", window_us=7 * 86_400_000_000)
    >>> view = FeatureView(name="v", kind="event", entity=None, source=Source(name="s", format="csv"), join={},
    ...                    where=None, inputs=(), features=(mean,))
    >>> feature_words(view, mean)
    'mean of delay over 7d'
    """
    if isinstance(item, Derived):
        return one_line(item.expression.text)
    value, where = _read_words(view, item.column)
    if item.op == "latest":
        fill = ", the last that is not null" if item.fill_last else ""
        return f"latest {value}{fill}{where}"
    return f"{_op_words(item)} of {value}{where}{_window_words(item)}"


def _op_words(item: Feature) -> str:
    if item.q is not None:
        return f"percentile {item.q:.12g}"
    return item.op if item.n is None else f"{item.op}({item.n})"


def _window_words(item: Feature) -> str:
    over = " over all time" if item.window_us is None else f" over {format_duration(item.window_us)}"
    return over + (f", until {format_duration(item.offset_us)} before" if item.offset_us else "")


def _read_words(view: FeatureView, column: str | None) -> tuple[str, str]:
    """Return what a feature reads of a row, and of which rows."""
    if column is None:
        return _ROWS, ""
    text = next((one_line(item.expression.text) for item in view.inputs if item.name == column), column)
    found = _CONDITIONAL.fullmatch(text)
    if found is None:
        return text, ""
    value = found["value"]
    return _ROWS if value == "true" else value, f" where {found['where']}"


def view_words(view: FeatureView) -> str:
    """Return what the rows of a view are."""
    of = f" by {view.entity.name}" if view.entity else ""
    where = f" where {one_line(view.where.text)}" if view.where else ""
    through = f" through {view.transform.function} of {view.transform.path}" if view.transform else ""
    return f"rows of {view.source.name}{of}{where}{through}"


def source_words(source: Source) -> str:
    """Return where the rows of a source are; of a URL only what is no secret.

    >>> source_words(Source(name="orders", format="parquet", path="s3://ana:pw-of-ana@bucket/orders.parquet"))
    's3://ana:***@bucket/orders.parquet'
    """
    if source.sql is not None:
        return f"query: {one_line(source.sql.query)}"
    if source.stream is not None:
        return f"topic: {source.stream.topic}"
    if source.iceberg is not None:
        return source.place
    return hide_address_secrets(source.path, source.path)


def entity_words(entity: Entity) -> str:
    """Return the keys of an entity with their types.

    >>> entity_words(Entity(name="user", keys={"user_id": "int64"}))
    'user_id int64'
    """
    return ", ".join(f"{name} {dtype}" for name, dtype in entity.keys.items())


def alert_words(alert: Alert) -> str:
    """Return when an alert fires, and of what."""
    subjects = [*(f"view {name}" for name in alert.views), *(f"model {name}" for name in alert.models)]
    subjects += [f"pipeline {name}" for name in alert.pipelines]
    held = f" for {format_duration(alert.for_us)}" if alert.for_us else ""
    return format_condition(alert.when) + held + (f" of {', '.join(subjects)}" if subjects else "")


def notifier_words(notifier: Notifier) -> str:
    """Return where a notifier tells, without what may be a secret."""
    return shown_address(notifier)


def one_line(text: str) -> str:
    """Return a text without line breaks and repeated spaces."""
    return " ".join(text.split())


def pipeline_words(pipeline: Pipeline) -> str:
    """Return the stages of a pipeline, in the order of the file.

    >>> from featurectl.language.definitions.pipelines import PipelineStage
    >>> pipeline_words(Pipeline(name="nightly", stages=(PipelineStage(name="features", run="materialize"),)))
    'features'
    """
    return ", ".join(stage.name for stage in pipeline.stages)


def deployment_words(deployment: Deployment) -> str:
    """Return how many of a deployment run.

    >>> deployment_words(Deployment(name="inference", run="serve"))
    'replicas: 1'
    """
    return f"replicas: {replicas_text(deployment.replicas)}"
