"""The template of flights with its sources in another store than files: it gives the training set of its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml
from polars.testing import assert_frame_equal

from tests.end_to_end.flights import Repository, write_some_flights

TABLES: Final = ("flights", "arrivals", "departures", "weather", "planes", "airports")
LATER: Final = ("arrivals", "departures", "weather")  # those whose rows become known one after the other
KNOWN: Final = "available_at"

Write = Callable[[str, pl.DataFrame], None]
Definitions = Mapping[str, Mapping[str, Any]]


def queries(url: str, since: str = ":since", **keys: object) -> Definitions:
    """Return the tables as sources that are queries, each with the keys of a source that are given."""
    made = {name: f"select * from {name}" + (f" where {KNOWN} >= {since}" if name in LATER else "") for name in TABLES}
    return {name: {"sql": {"url": url, "query": query}, **keys} for name, query in made.items()}


def same_training_set(
    root: Path, write: Write, definitions: Definitions, *, opened: Callable[[Path], Repository] = Repository
) -> None:
    """See that flights elsewhere give the training set that files give, cell by cell, after two runs of materialize.

    `write` puts rows into the table of a source, behind those that are there; it is called again for rows that become
    known later. `definitions` are what the sources have in the place of `path`. `opened` returns the repository in a
    folder, whose commands may run in another environment. The store's types of whole numbers may be wider.
    """
    plain = write_some_flights(root / "plain")
    known = plain.rows("arrivals").get_column(KNOWN).sort()
    middle = known[len(known) // 2]
    assert isinstance(middle, datetime)
    plain.run("apply", "--auto-approve")
    plain.run("materialize")
    expected = plain.training_set("late_arrival")
    assert expected.height > 1000
    other = opened(write_some_flights(root / "elsewhere").root)
    later = _moved(other, write, definitions, middle)
    other.run("apply", "--auto-approve")
    other.run("materialize", "--as-of", middle.isoformat())
    for name, rows in later.items():
        write(name, rows)
    other.run("materialize")
    assert_frame_equal(other.training_set("late_arrival"), expected, check_dtypes=False, check_exact=True)


def _moved(
    repository: Repository, write: Write, definitions: Definitions, until: datetime
) -> Mapping[str, pl.DataFrame]:
    """Let the sources be elsewhere, with what was known by an instant; return the rows that were not."""
    later: dict[str, pl.DataFrame] = {}
    for name in TABLES:
        rows = repository.rows(name)
        if name in LATER:
            is_early = pl.col(KNOWN) < until
            later[name], rows = rows.filter(~is_early), rows.filter(is_early)
        write(name, rows)
        repository.data(name).unlink()
    place = repository.root / "sources.yaml"
    sources = yaml.safe_load(place.read_text())["sources"]
    moved = [
        {**{key: value for key, value in source.items() if key != "path"}, **definitions[source["name"]]}
        for source in sources
    ]
    place.write_text(yaml.safe_dump({"sources": moved}, sort_keys=False))
    return later
