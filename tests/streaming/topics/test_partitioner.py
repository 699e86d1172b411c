"""The partition of a key: as Kafka's own clients choose it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.streaming.topics.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_hashes_are_those_of_kafkas_java_client(key, wanted):
    """Source: UtilsTest of Apache Kafka."""
    assert murmur2(key.encode()) == wanted & 0xFFFFFFFF


@given(st.binary(max_size=40), st.integers(1, 100))
def test_a_partition_is_one_of_those_that_there_are(key, partitions):
    assert 0 <= partition_of(key, partitions) < partitions


def test_keys_spread_over_partitions():
    counts = [0] * 8
    for number in range(8_000):
        counts[partition_of(b"card-%d" % number, 8)] += 1
    assert min(counts) > 800


def test_a_hash_above_31_bits_is_cut_before_it_is_divided():
    assert murmur2(b"foobar") >> 31
    assert partition_of(b"foobar", 7) == (murmur2(b"foobar") - (1 << 31)) % 7 != murmur2(b"foobar") % 7
