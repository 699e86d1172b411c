"""Feast's rows written, run by an environment that FEAST_PYTHON names.

feast_push.py FOLDER PORT             materialize into the Redis of a port (`feast[duckdb,redis]`)
feast_push.py FOLDER postgresql://... write_to_online_store into PostgreSQL (`feast[postgres]`)
"""

from __future__ import annotations

import resource
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit


def postgres(url: str) -> dict[str, object]:
    """Return what Feast's configuration says of a PostgreSQL online store."""
    parts = urlsplit(url)
    where = {"host": parts.hostname, "port": parts.port, "database": parts.path.lstrip("/"), "user": parts.username}
    return {"type": "postgres", **where, "password": "", "db_schema": "public", "sslmode": "disable"}


def main(folder: Path, online: str) -> None:
    """Register the view in a new repository, write its rows, and print the seconds, those of its processor time, and the peak of its memory in MB."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Bool, Float64, Int64, String, UnixTimestamp

    is_postgres = online.startswith("postgresql://")
    repo = folder / "feast"
    repo.mkdir(exist_ok=True)
    (repo / "registry.db").unlink(missing_ok=True)
    config = RepoConfig(
        project="bench",
        provider="local",
        registry=str(repo / "registry.db"),
        online_store=postgres(online) if is_postgres else {"type": "redis", "connection_string": f"127.0.0.1:{online}"},
        offline_store={"type": "dask" if is_postgres else "duckdb"},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config, repo_path=str(repo))
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.INT64)
    types = {"f": (6, Float64), "i": (4, Int64), "s": (2, String), "b": (2, Bool)}
    fields = [Field(name=f"{letter}{n}", dtype=dtype) for letter, (count, dtype) in types.items() for n in range(count)]
    source = FileSource(
        name="rows", path=str(folder / "rows.parquet"), timestamp_field="event_time", created_timestamp_column="created"
    )
    fields.append(Field(name="last_seen", dtype=UnixTimestamp))
    store.apply(
        [user, FeatureView(name="profile", entities=[user], ttl=timedelta(days=0), schema=fields, source=source)]
    )
    frame = None
    if is_postgres:
        import pandas as pd

        frame = pd.read_parquet(folder / "rows.parquet")
    begin, worked = time.perf_counter(), time.process_time()
    if frame is None:
        store.materialize(datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2027, 1, 1, tzinfo=timezone.utc))
    else:
        store.write_to_online_store("profile", df=frame)
    seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    print(seconds, worked, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
