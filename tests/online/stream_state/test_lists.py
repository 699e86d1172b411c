"""Lists of elements in every store: appended, replaced where they are unchanged, seeded, read as of a poll, removed."""

from __future__ import annotations

from contextlib import closing
from random import Random

import pytest

from featurectl.core.errors import StoreError
from featurectl.online.stream_state.base import (
    ConnectionLostError,
    Generation,
    KnownStamps,
    ListAppend,
    ListReplacement,
    ListsAsk,
    ListSeed,
    ReadingPosition,
    StampRange,
    digest_of,
)
from featurectl.online.stream_state.forgotten_sources import forget_stream

HEAD, ALONE = b"\x80 head", b"\x80 alone"
KEYS = [b"", b"i1:7", b"s3:a}b", b"s4:{x*y", "s2:ä".encode()]
FIRST = Generation(view="spend@1", id="a1")


@pytest.fixture
def connection(opened, source):
    """A connection to a source with one partition and a generation that is read."""
    made = opened(lambda: 1_000).connect(source)
    made.register.add_partition("swipes/0#0")
    begin(made, FIRST)
    yield made
    made.close()


def begin(connection, generation: Generation) -> None:
    """Have a generation read."""
    cuts = connection.generations.add(generation).cuts
    assert connection.lists.make_ready(generation, connection.lists.seed(generation, []), cuts)
    assert connection.generations.switch(generation)


def append(connection, *pairs: tuple[bytes, bytes], generation: Generation = FIRST):
    entities, elements = zip(*pairs, strict=True)
    [lengths] = connection.lists.append([ListAppend(generation=generation, entities=entities, elements=elements)])
    return lengths


def elements_of(connection, key: bytes, view: str = "spend@1"):
    _, [[found]] = connection.lists.read([ListsAsk(view=view, entities=[key])])
    return [*found.elements]


def replacement(key: bytes, read: list[bytes], *left: bytes, alone: bytes | None = ALONE) -> ListReplacement:
    digest = digest_of(read)
    return ListReplacement(
        generation=FIRST, entity=key, read=len(read), digest=digest, head=HEAD, left=left, alone=alone
    )


@pytest.mark.parametrize("key", KEYS)
def test_elements_stand_in_a_list_in_the_order_they_were_appended(connection, key):
    other = b"s1:o"
    assert append(connection, (key, b"1"), (other, b"2"), (key, b"")) == {key: 2, other: 1}
    assert append(connection, (key, bytes(range(256)) * 9)) == {key: 3}
    assert elements_of(connection, key) == [b"1", b"", bytes(range(256)) * 9]
    assert elements_of(connection, other) == [b"2"]


def test_lists_of_views_and_generations_are_apart(connection):
    later, views = Generation(view="spend@1", id="b2"), Generation(view="visits@12", id="a1")
    begin(connection, views)
    connection.generations.add(later)
    appends = [ListAppend(generation=of, entities=[b"k"], elements=[of.name.encode()]) for of in (FIRST, later, views)]
    assert connection.lists.append(appends) == [{b"k": 1}] * 3
    assert elements_of(connection, b"k") == [b"spend@1#a1"]
    assert elements_of(connection, b"k", "visits@12") == [b"visits@12#a1"]
    begin(connection, later)
    assert elements_of(connection, b"k") == [b"spend@1#b2"]


def test_many_elements_of_many_lists_are_appended_at_once(connection):
    random = Random(1)
    pairs = [(b"i3:%03d" % random.randrange(400), random.randbytes(random.randrange(300))) for _ in range(6_000)]
    lengths = append(connection, *pairs)
    for key in {key for key, _ in pairs[:40]}:
        wanted = [element for of, element in pairs if of == key]
        assert elements_of(connection, key) == wanted
        assert lengths[key] == len(wanted)


def test_what_was_read_is_replaced_by_a_head_and_what_is_left(connection):
    append(connection, (b"k", b"1"), (b"k", b"2"), (b"k", b"3"))
    assert connection.lists.replace([replacement(b"k", [b"1", b"2"], b"2")]) == [True]
    assert elements_of(connection, b"k") == [HEAD, b"2", b"3"]
    assert append(connection, (b"k", b"4")) == {b"k": 4}
    assert connection.lists.replace([replacement(b"k", [HEAD, b"2", b"3", b"4"])]) == [True]
    assert elements_of(connection, b"k") == [ALONE]


def test_a_list_of_which_nothing_is_left_may_be_removed(connection):
    append(connection, (b"k", b"1"), (b"m", b"1"), (b"m", b"2"))
    wanted = [replacement(b"k", [b"1"], alone=None), replacement(b"m", [b"1"], alone=None)]
    assert connection.lists.replace(wanted) == [True, True]
    assert (elements_of(connection, b"k"), elements_of(connection, b"m")) == ([], [HEAD, b"2"])
    assert append(connection, (b"k", b"4")) == {b"k": 1}


@pytest.mark.parametrize("read", [[b"1", b"3"], [b"2"], [b"12"], [b"1", b"2", b"3"], [b"", b"1"]])
def test_what_has_changed_since_it_was_read_is_left_alone(connection, read):
    append(connection, (b"k", b"1"), (b"k", b"2"))
    wanted = [replacement(b"k", read), replacement(b"none", read), replacement(b"k", [b"1"])]
    assert connection.lists.replace(wanted) == [False, False, True]
    assert elements_of(connection, b"k") == [HEAD, b"2"]


@pytest.mark.sample(2)
def test_long_lists_are_replaced_whole(connection):
    read = [b"%d" % number for number in range(20_000)]
    append(connection, *((b"k", element) for element in read))
    assert connection.lists.replace([replacement(b"k", read[:-1], *read[5:-1])]) == [True]
    assert elements_of(connection, b"k") == [HEAD, *read[5:]]


def test_a_seed_stands_before_records_and_only_once(connection):
    append(connection, (b"k", b"\x01"))
    seeds = [ListSeed(entity=key, head=HEAD) for key in (b"k", b"m")]
    for _ in range(2):
        assert sum(connection.lists.seed(FIRST, seeds).values()) == 2
    assert (elements_of(connection, b"k"), elements_of(connection, b"m")) == ([HEAD, b"\x01"], [HEAD])


def test_a_generation_is_ready_where_all_its_seeds_are_there(connection):
    later = Generation(view="spend@1", id="b2")
    cuts = connection.generations.add(later).cuts
    seeded = dict(connection.lists.seed(later, [ListSeed(entity=b"k", head=HEAD), ListSeed(entity=b"m", head=HEAD)]))
    name = max(seeded, key=seeded.get)
    assert not connection.lists.make_ready(later, seeded | {name: seeded[name] + 1}, cuts)
    assert connection.lists.make_ready(later, seeded, cuts)
    assert connection.lists.unready() == []


def test_a_reader_is_told_of_no_list_without_a_live_generation(opened, source, connection):
    state, ask = opened(), ListsAsk(view="spend@1", entities=[b"k"])
    append(connection, (b"k", b"1"))
    assert connection.register.heartbeat([ReadingPosition(partition=0, position=0, at_end=True)]) == [True]
    [answer] = state.read(source, [ask])
    assert (answer.asof, [*answer.lists[0].elements]) == (1_000, [b"1"])
    assert [each.lists for each in state.read(source, [ListsAsk(view="other@1", entities=[b"k"])])] == [None]
    poll = state.read_poll(source)
    assert [*state.fetch(source, poll, [ask])[0].lists[0].elements] == [b"1"]
    later = Generation(view="spend@1", id="b2")
    begin(connection, later)
    state.drop_lists(source, FIRST)
    assert state.fetch(source, poll, [ask])[0].lists in (None, [None])
    assert [[*each.elements] for each in state.read(source, [ask])[0].lists] == [[]]
    connection.generations.void()
    assert state.read(source, [ask])[0].lists is None
    assert state.read(type(source)(project="none", env="dev", source="s"), [ask])[0].lists is None


def test_a_generation_has_the_layout_that_it_was_named_with(opened, source, connection):
    reader = opened()
    made, other = Generation(view="totals@1", id="a1"), Generation(view="totals@1", id="b2")
    connection.generations.add(made, '{"kind": "event"}')
    connection.generations.add(made, '{"kind": "state"}')  # it is named already
    assert reader.read_layout(source, made) == '{"kind": "event"}'
    assert reader.read_layout(source, other) == ""
    assert connection.lists.make_ready(made, connection.lists.seed(made, []), {})
    assert connection.generations.switch(made)
    [answer] = reader.read(source, [ListsAsk(view="totals@1", entities=[b"i1:1"])])
    assert answer.generation == "a1"
    connection.generations.add(other)
    assert connection.lists.make_ready(other, connection.lists.seed(other, []), {})
    assert connection.generations.switch(other)
    assert reader.read_layout(source, made) == ""


def test_lists_are_walked_dropped_and_swept(opened, source, connection):
    state, later = opened(), Generation(view="spend@1", id="b2")
    other = Generation(view="visits@1", id="c3")
    begin(connection, other)
    connection.generations.add(later)
    for of in (FIRST, later, other):
        append(connection, *((key, b"1") for key in KEYS), generation=of)
    assert {key for page in state.walk_lists(source, FIRST) for key in page} == {*KEYS}
    state.drop_lists(source, later)  # it is written
    assert sum(state.sweeping(source, ["spend@1", "visits@1"])) == 0
    connection.generations.drop(later)
    state.drop_lists(source, later)
    assert [key for page in state.walk_lists(source, later) for key in page] == []
    connection.generations.drop(FIRST)
    assert sum(state.sweeping(source, ["spend@1", "visits@1"])) == len(KEYS)
    assert {key for page in state.walk_lists(source, other) for key in page} == {*KEYS}


def test_lists_of_a_view_that_another_source_has_now_are_not_swept(opened, source, connection):
    state, there, moved = opened(), source._replace(source="taps"), Generation(view="spend@1", id="b2")
    append(connection, *((key, b"1") for key in KEYS))
    with closing(state.connect(there)) as other:
        other.register.add_partition("taps/0")
        begin(other, moved)
        append(other, *((key, b"2") for key in KEYS), generation=moved)
    connection.generations.drop(FIRST)
    assert sum(state.sweeping(source, ["spend@1"])) == len(KEYS)
    assert {key for page in state.walk_lists(there, moved) for key in page} == {*KEYS}


def test_what_was_given_up_of_a_source_goes_with_it(opened, source, connection):
    state = opened()
    append(connection, *((key, b"1") for key in KEYS))
    connection.generations.drop(FIRST)
    forget_stream(state, source)
    with closing(state.connect(source)):
        assert [key for page in state.walk_lists(source, FIRST) for key in page] == []


def test_who_goes_on_with_a_register_that_was_forgotten_is_told(opened, source, connection):
    claim = connection.register.claim(0, 0, 3, KnownStamps())
    assert claim is not None
    forget_stream(opened(), source)
    with closing(opened().connect(source._replace(source="taps"))) as other:
        other.register.add_partition("taps/0")
        with pytest.raises(ConnectionLostError):
            connection.register.claim(0, 0, 3, KnownStamps())
        assert other.register.read_state().last == 0


@pytest.mark.usefixtures("connection")
def test_readers_find_a_source_that_began_anew(opened, source):
    reader = opened()
    assert reader.read_poll(source).live == {"spend@1": "a1"}
    with closing(opened().connect(source._replace(source="taps"))):
        forget_stream(opened(), source)
        with closing(opened().connect(source)) as again:
            again.register.add_partition("swipes/0")
            begin(again, Generation(view="spend@1", id="b2"))
            assert reader.read_poll(source).live == {"spend@1": "b2"}


def test_a_source_that_is_forgotten_begins_anew(opened, source, connection):
    state = opened()
    append(connection, *((key, b"1") for key in KEYS))
    claim = connection.register.claim(0, 0, 3, KnownStamps())
    assert connection.lists.mark(0, 0, 3, claim.generations)
    assert connection.register.finish(0, 0, 3, [FIRST])
    assert state.read_poll(source).asof > 0
    connection.generations.drop(FIRST)
    state.drop_lists(source, FIRST)
    for _ in range(2):
        state.forget(source)
        assert (state.read_poll(source).asof, state.read_poll(source).live) == (0, {})
    with closing(state.connect(source)) as again:
        assert not again.register.read_state().partitions
        assert again.register.add_partition("swipes/0") == 0
        begin(again, FIRST)
        claim = again.register.claim(0, 0, 3, KnownStamps())
        assert [(each.first, each.end) for each in claim.stamps] == [(0, 3)]
        assert again.lists.mark(0, 0, 3, claim.generations)
        assert again.register.finish(0, 0, 3, [FIRST])
        assert again.lists.unready() == []


def test_a_claim_names_what_is_written_with_the_cut_of_the_partition(connection):
    claim = connection.register.claim(0, 0, 3, KnownStamps())
    assert [(each.generation, each.cut) for each in claim.generations] == [(FIRST, 0)]
    later = Generation(view="visits@1", id="c3")
    assert connection.generations.add(later).cuts == {0: 3}
    claim = connection.register.claim(0, 3, 4, KnownStamps())
    assert [(each.generation, each.cut) for each in claim.generations] == [(FIRST, 0), (later, 3)]
    assert not connection.register.finish(0, 0, 4, [FIRST])
    assert not connection.generations.switch(later)
    assert connection.register.finish(0, 0, 4, [FIRST, later])
    assert connection.generations.switch(later)


def test_a_partition_begins_at_an_offset_and_at_asof(connection):
    register = connection.register
    assert register.heartbeat([ReadingPosition(partition=0, position=0, at_end=True)]) == [True]
    number = register.add_partition("swipes/1#0", 70)
    assert (number, register.add_partition("swipes/1#0", 90)) == (1, 1)
    found = register.read_state().partitions[1]
    assert (found.first, found.kept, found.done, found.end, found.applied) == (70, 70, 70, 70, 1_000)
    assert register.claim(1, 69, 72, KnownStamps()) is None
    claim = register.claim(1, 70, 72, KnownStamps())
    assert [(each.first, each.end, each.stamp) for each in claim.stamps] == [(70, 72, 1_001)]
    assert [each.cut for each in claim.generations] == [70]


def test_a_stamp_of_which_a_part_is_done_goes_on_by_the_log(connection):
    register = connection.register
    assert [each.stamp for each in register.claim(0, 0, 2, KnownStamps()).stamps] == [1_000]
    assert register.finish(0, 0, 2, [FIRST])
    logged = KnownStamps(logged=[StampRange(first=2, end=5, stamp=1_000)])
    assert [each.stamp for each in register.claim(0, 2, 3, logged).stamps] == [1_000]
    assert register.read_state().partitions[0].end == 5
    assert register.finish(0, 2, 5, [FIRST])
    register.forget(0, 5)
    found = register.read_state().partitions[0]
    assert (found.applied, found.done, found.kept) == (1_000, 5, 5)


def test_what_a_register_can_not_hold_is_an_error(connection):
    with pytest.raises(StoreError, match=r"below 2\^53"):
        connection.register.claim(0, 2**53 - 1, 2**53, KnownStamps())
    with pytest.raises(StoreError, match=r"below 2\^53"):
        connection.register.add_partition("q", -1)
    for view, name in (("spend@1", "a b"), ("spend@1", ""), ("spend @1", "a"), ("spend@1", "-")):
        with pytest.raises(ValueError, match="no name of a generation"):
            connection.generations.add(Generation(view=view, id=name))


def test_instants_and_offsets_are_exact_up_to_2_to_the_53(opened, source):
    now, most = [1_764_367_000_123_457], 2**53 - 10
    with_clock = opened(lambda: now[0]).connect(source)
    with_clock.register.add_partition("p", most)
    stamps = with_clock.register.claim(0, most, most + 5, KnownStamps()).stamps
    assert [(each.first, each.end, each.stamp) for each in stamps] == [(most, most + 5, now[0])]
    assert with_clock.register.read_stamps(0, most + 1, most + 2)[0].first == most + 1
    assert with_clock.register.finish(0, most, most + 5, [])
    assert with_clock.register.read_state().asof == now[0]
    with_clock.close()
