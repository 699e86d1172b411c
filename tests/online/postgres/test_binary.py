"""What is sent to PostgreSQL in binary is what psycopg makes of the same keys and rows, one by one."""

from __future__ import annotations

import io

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.adapt import PyFormat, Transformer

from featurectl.online.postgres.binary import bytea_array, bytea_cursor, copied_pairs, ragged_of

SOME = st.lists(st.tuples(st.binary(max_size=50), st.binary(max_size=3) | st.binary(min_size=30, max_size=400)))
PAIRS = [(b"", b""), (b"i1:7", bytes(range(256)) * 20), (b"\xff\xff", b"PGCOPY\n"), (b"k" * 31, b"r" * 32)]


@given(items=st.lists(st.binary(max_size=80), min_size=1))
def test_an_array_is_what_psycopg_makes_of_a_list(items):
    transformer = Transformer()
    expected = transformer.dump_sequence([items], [PyFormat.BINARY])[0]
    assert bytea_array(ragged_of(items)).data == bytes(expected)


@given(pairs=SOME)
def test_lines_of_copy_are_those_of_a_naive_program(pairs):
    naive = io.BytesIO()
    naive.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    for pair in pairs:
        naive.write((2).to_bytes(2, "big"))
        for field in pair:
            naive.write(len(field).to_bytes(4, "big") + field)
    naive.write(b"\xff\xff")
    keys, rows = [key for key, _ in pairs], [row for _, row in pairs]
    assert copied_pairs(ragged_of(keys), ragged_of(rows)) == naive.getvalue()


@pytest.mark.parametrize("pairs", [[], PAIRS, PAIRS * 3])
def test_the_server_reads_both_as_they_were(pairs, postgres_url):
    keys, rows = ragged_of([key for key, _ in pairs]), ragged_of([row for _, row in pairs])
    with psycopg.connect(postgres_url) as session:
        session.execute("create table pairs (entity bytea, row bytea)")
        with session.cursor().copy("copy pairs from stdin (format binary)") as copy:
            copy.write(copied_pairs(keys, rows))
        assert session.execute("select * from pairs").fetchall() == pairs
        cursor = bytea_cursor(session)
        cursor.execute("select unnest(%b), unnest(%b)", (bytea_array(keys), bytea_array(rows)))
        assert cursor.fetchall() == pairs
