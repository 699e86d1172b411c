"""Runs fakesnow, in its own environment, with one of its answers mended: `python snowflake_program.py PORT`.

Snowflake sends an instant as a struct, which is null where there is none. fakesnow leaves the struct there and makes
its parts null; by the Arrow format that is an instant whose parts are unknown, and drivers read it as 1970.
"""

from __future__ import annotations

import sys

import fakesnow.arrow
import fakesnow.cli
import pyarrow as pa

_made = fakesnow.arrow.timestamp_to_sf_struct


def _with_nulls(instants: pa.Array | pa.ChunkedArray) -> pa.Array:
    made = _made(instants)
    whole = instants.combine_chunks() if isinstance(instants, pa.ChunkedArray) else instants
    parts = [made.field(place).fill_null(0) for place in range(made.type.num_fields)]
    return pa.StructArray.from_arrays(parts, fields=list(made.type), mask=whole.is_null())


fakesnow.arrow.timestamp_to_sf_struct = _with_nulls
sys.exit(fakesnow.cli.main(["--server", "--port", sys.argv[1]]))
