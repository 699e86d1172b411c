"""Shapes of environments -> definitions."""

from __future__ import annotations

from featurectl.core.units import parse_instant
from featurectl.language.repo import ENGINES, Environment
from featurectl.language.resolve.declarations import unsupported_part
from featurectl.language.shapes.project import EnvironmentShape, PredictionLogShape


def resolve_environment(name: str, shape: EnvironmentShape) -> Environment:
    """Return an environment, its texts unexpanded."""
    engine = shape.engine.type if shape.engine else ENGINES[0]
    unsupported = []
    if engine not in ENGINES:
        unsupported.append(unsupported_part(f"the engine {engine} is", shape.fields.keys["engine"].place))
    return Environment(
        name=name,
        registry=shape.registry,
        offline=shape.offline,
        online=shape.online,
        streams=shape.streams or "",
        engine=engine,
        now=parse_instant(shape.now) if shape.now else None,
        prediction_sample=_share(shape.prediction_log),
        **_kept(shape.prediction_log),
        data_roots=shape.data_roots,
        unsupported=tuple(unsupported),
    )


def _kept(shape: PredictionLogShape | None) -> dict[str, int]:
    """Return how long, and how many bytes of, the prediction log are kept, where the file says so."""
    limits = {"prediction_keep_us": shape.keep, "prediction_max_bytes": shape.max_bytes} if shape else {}
    return {name: value for name, value in limits.items() if value}


def _share(shape: PredictionLogShape | None) -> float | None:
    """Return the share of predictions that are kept: all, where a log is asked for without one."""
    if shape is None:
        return None
    return 1.0 if shape.sample is None else float(shape.sample)
