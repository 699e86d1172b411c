"""Ask a server for flights of the last days, one a request, until Ctrl-C: what a canary is judged by.

    python traffic.py [URL] [REQUESTS A SECOND]
"""

from __future__ import annotations

import itertools
import json
import sys
import time
import urllib.request
from collections import Counter

import polars as pl

COLUMNS = ["carrier", "flight_no", "tailnum", "origin", "dest", "hour", "dow", "distance"]  # what late_arrival asks for
FLIGHTS = 5_000


def answer(url: str, row: dict[str, object]) -> str:
    """Ask for one flight, and return which version has answered, or why none has."""
    body = json.dumps({"rows": [row]}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 (the caller's own)
    try:
        with urllib.request.urlopen(request, timeout=10) as found:  # noqa: S310
            return f"version {json.load(found)['version']}"
    except OSError as error:
        return f"no answer: {error}"


def main() -> None:
    """Ask at an even rate, and say every ten seconds who has answered."""
    server = sys.argv[1] if len(sys.argv) > 1 else "http://localhost:8000"
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 50
    flights = pl.read_parquet("data/flights.parquet").sort("decided_at").select(COLUMNS).drop_nulls().tail(FLIGHTS)
    answers, said, due = Counter[str](), time.monotonic(), time.monotonic()
    for row in itertools.cycle(flights.to_dicts()):
        answers[answer(f"{server}/v1/predict/late_arrival", row)] += 1
        if time.monotonic() >= said + 10:
            print(", ".join(f"{count:,} by {who}" for who, count in sorted(answers.items())), flush=True)
            answers, said = Counter[str](), time.monotonic()
        due = max(due + 1 / rate, time.monotonic() - 1)
        time.sleep(max(due - time.monotonic(), 0))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
