"""Feast on DuckDB: the as-of training set, run by an environment that has `feast[duckdb]` (FEAST_PYTHON names it)."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path


def main(folder: Path, out: Path) -> None:
    """Register the views in a new repository, and write the historical features of the spine."""
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    repo = out.parent / "feast"
    repo.mkdir(exist_ok=True)
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(repo / "registry.db"),
        online_store={"type": "sqlite", "path": str(repo / "online.db")},
        offline_store={"type": "duckdb"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config, repo_path=str(repo))
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    views, wanted = [], []
    for number, path in enumerate(sorted(folder.glob("state-*.parquet"))):
        fields = [Field(name=f"f{number}_{i}", dtype=Float64) for i in range(5)]
        source = FileSource(name=f"s{number}", path=str(path), timestamp_field="ts", created_timestamp_column="created")
        views.append(
            FeatureView(name=f"v{number}", entities=[user], ttl=timedelta(days=7), schema=fields, source=source)
        )
        wanted += [f"v{number}:{field.name}" for field in fields]
    store.apply([user, *views])
    spine = pd.read_parquet(folder / "spine.parquet").rename(columns={"t": "event_timestamp"})
    store.get_historical_features(entity_df=spine, features=wanted).to_df().to_parquet(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
