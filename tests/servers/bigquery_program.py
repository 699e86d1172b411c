"""The emulator of BigQuery as a guest's Python runs it: with DuckDB's places from a wheel, not from the network."""

from pathlib import Path

import duckdb
import duckdb_extension_spatial
from bqemulator.cli import main

FILE = next(Path(duckdb_extension_spatial.__file__).parent.rglob("*.duckdb_extension"))
duckdb.connect().execute(f"install '{FILE}'")  # into the home of this process
main()
