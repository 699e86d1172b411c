"""Leases: never two readers that are alive for one partition, and soon a fair share for each."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.core.errors import StoreError
from featurectl.streaming.topics.base import Division, GroupReader
from featurectl.streaming.topics.leases import GroupMember, divided, parse_leases, readers_seen, render_leases

READERS = [Division(group="g", reader=name, lease_s=4) for name in "abcde"]


class Document:
    """The document of a group in memory; so many replacements are refused first."""

    def __init__(self, refusals=0):
        self.text, self.now_ms, self.refusals = "", 0, refusals

    def read(self):
        return self.text, self.now_ms

    def replace(self, before, after):
        self.refusals -= 1
        if self.refusals >= 0 or before != self.text:
            return False
        self.text = after
        return True


@given(
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3_000)), max_size=40),
    st.sets(st.integers(0, 4), min_size=1),
)
def test_a_partition_has_one_reader_and_all_get_fair_shares(partitions, steps, alive):
    leases, now_ms = {}, 0
    for reader, later_ms in steps:
        now_ms += later_ms
        leases = divided(leases, READERS[reader], partitions, now_ms)
        held = [partition for lease in leases.values() if lease.until_ms > now_ms for partition in lease.partitions]
        assert max(Counter(held).values(), default=0) <= 1
        assert set(held) <= set(range(partitions))
    now_ms += 4_001
    for _ in range(3):
        for reader in sorted(alive):
            leases = divided(leases, READERS[reader], partitions, now_ms)
    assert sorted(leases) == sorted(READERS[reader].reader for reader in alive)
    sizes = [len(lease.partitions) for lease in leases.values()]
    assert sum(sizes) == partitions
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 12), st.integers(1, 5))
def test_who_stays_keeps_what_it_has(partitions, readers):
    leases = {}
    for _ in range(3):
        for reader in READERS[:readers]:
            leases = divided(leases, reader, partitions, 0)
    for reader in READERS[:readers]:
        again = divided(leases, reader, partitions, 1_000)
        assert {name: lease.partitions for name, lease in again.items()} == {
            name: lease.partitions for name, lease in leases.items()
        }


def test_a_lease_of_before_the_clock_was_set_back_has_ended():
    leases = divided({}, READERS[0], 3, 3_600_000)
    assert readers_seen(render_leases(leases), 0) == {}
    assert divided(leases, READERS[1], 3, 0)[READERS[1].reader].partitions == (0, 1, 2)
    soon = divided(leases, READERS[1], 3, 3_599_000)  # by as much as clocks are corrected
    assert soon[READERS[0].reader].partitions == (0, 1, 2)


def test_leases_are_the_same_after_they_were_written():
    leases = divided(divided({}, READERS[0], 3, 5), READERS[1], 3, 9)
    assert parse_leases(render_leases(leases)) == leases
    assert parse_leases("") == {}


def test_a_member_renews_four_times_a_lease_and_says_what_changed():
    document, clock = Document(), [0.0]
    members = [GroupMember(document, reader, lambda: clock[0]) for reader in READERS[:2]]
    assert members[0].renew(lambda: 4) == ({0, 1, 2, 3}, set())
    assert members[0].renew(lambda: 4) == (set(), set())  # not due yet
    assert members[1].renew(lambda: 4) == (set(), set())
    clock[0] = 1.0
    assert members[0].renew(lambda: 4) == (set(), {2, 3})
    assert members[1].renew(lambda: 4) == ({2, 3}, set())
    members[0].leave()
    clock[0] = 2.0
    assert members[1].renew(lambda: 4) == ({0, 1}, set())


def test_a_member_whose_lease_ended_hears_who_has_its_partitions():
    document, clock = Document(), [0.0]
    members = [GroupMember(document, reader, lambda: clock[0]) for reader in READERS[:2]]
    assert members[0].renew(lambda: 2) == ({0, 1}, set())
    document.now_ms, clock[0] = 4_001, 4.001
    assert members[1].renew(lambda: 2) == ({0, 1}, set())
    assert members[0].renew(lambda: 2) == (set(), {0, 1})


def test_a_document_that_others_replace_is_read_again():
    member = GroupMember(Document(refusals=3), READERS[0], lambda: 0.0)
    assert member.renew(lambda: 1) == ({0}, set())
    with pytest.raises(StoreError, match="readers of group g"):
        GroupMember(Document(refusals=10_000), READERS[0], lambda: 0.0).renew(lambda: 1)


def test_a_reader_that_is_late_with_its_sign_is_seen_for_three_lease_times():
    document = Document()
    GroupMember(document, Division(group="g", reader="a"), clock=lambda: 0.0).renew(lambda: 2)
    for later_ms, seen_s in [(0, 0.0), (3_999, 3.999), (4_001, 4.001), (11_999, 11.999)]:
        assert readers_seen(document.text, later_ms) == {"a": GroupReader(partitions=(0, 1), seen_s=seen_s)}
    assert readers_seen(document.text, 12_000) == {}
