"""Time `OnlineClient.get`: `python -m benchmarks.serving.reads FOLDER ASKED ENTITIES SECONDS`; ONLINE is the store."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.serving.repository import FEATURES
from benchmarks.serving.timing import time_reads


def main(folder: str, asked: str, entities: str, seconds: str) -> None:
    """Print the times."""
    from featurectl import open_client

    with open_client(Path(folder)) as client:
        first = client.get(FEATURES, {"user": [0]})
        assert len(first.columns) == 15
        assert all(column.statuses == ["PRESENT"] for column in first.columns.values()), first
        time_reads(lambda users: client.get(FEATURES, {"user": users}), int(asked), int(entities), float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
