"""Feast with the same features, run by the environment that FEAST_PYTHON names (`feast[redis]`, `feast[postgres]`).

feast_serving.py write DATA REPO ONLINE USERS         register the views, write the features of the first users
feast_serving.py read REPO USERS ENTITIES SECONDS     time get_online_features

ONLINE is HOST:PORT of Redis, or a URL of PostgreSQL.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.feast_push import postgres
from benchmarks.serving.timing import time_reads

STATES = {f"v{view}": [f"f{view}_{i}" for i in range(5)] for view in range(2)}
EVENTS = {"count_7d": "count", "amount_sum_7d": "sum", "amount_min_7d": "min", "amount_max_7d": "max",
          "amount_mean_7d": "mean"}  # fmt: skip
VIEWS = STATES | {"spend": list(EVENTS)}


def write(data: str, repo: str, online: str, users: str) -> None:
    """Register the views, and write their rows into the online store."""
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64, Int64

    folder = Path(repo)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(
        "project: bench\nprovider: local\nregistry: {path: registry.db, cache_ttl_seconds: 3600}\n"
        f"online_store: {json.dumps(_online_store(online))}\nentity_key_serialization_version: 3\n"
    )
    orders = pd.read_parquet(f"{data}/orders.parquet")
    spend = orders.groupby("user")["amount"].agg(list(EVENTS.values())).reset_index()
    spend.columns = ["user", *EVENTS]
    spend["ts"] = orders["ts"].max()
    frames = {name: pd.read_parquet(f"{data}/{name}.parquet") for name in STATES} | {"spend": spend}
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    views = []
    for name, features in VIEWS.items():
        fields = [Field(name=f, dtype=Int64 if f.startswith("count") else Float64) for f in features]
        source = FileSource(name=name, path=f"{data}/{name}.parquet", timestamp_field="ts")
        views.append(FeatureView(name=name, entities=[user], schema=fields, source=source))
    store = FeatureStore(repo_path=repo)
    store.apply([user, *views])
    for name, frame in frames.items():
        store.write_to_online_store(name, df=frame[frame["user"] < int(users)])


def _online_store(online: str) -> dict[str, object]:
    if online.startswith("postgresql://"):
        return postgres(online)
    return {"type": "redis", "connection_string": online}


def read(repo: str, users: str, entities: str, seconds: str) -> None:
    """Print how long reads take."""
    from feast import FeatureStore

    store = FeatureStore(repo_path=repo)
    features = [f"{view}:{name}" for view, names in VIEWS.items() for name in names]

    def get(asked: list[int]) -> object:
        return store.get_online_features(features=features, entity_rows=[{"user": user} for user in asked]).to_dict()

    first = get([0])
    assert all(first[name][0] is not None for names in VIEWS.values() for name in names), first
    time_reads(get, int(users), int(entities), float(seconds))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
