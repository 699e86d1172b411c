"""Lists that are asked about what was longer ago than they were made for are made anew."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from featurectl.online.all_stores import open_stream_state
from featurectl.online.stream_state.base import Generation, StreamSource
from featurectl.online.stream_state.layout import layout_document, layout_of, parse_layout
from featurectl.streaming.session.applied_lists import lacking_views
from tests.definitions import ARRIVALS, DELAYS

VIEW = replace(DELAYS, source=replace(ARRIVALS, format="stream", available_at=None))
SECOND = 1_000_000


@pytest.mark.parametrize(("made_for", "asked", "lacks"), [(0, 0, False), (0, 5, True), (5, 5, False), (5, 0, False)])
def test_lists_lack_what_is_asked_of_longer_ago(tmp_path: Path, made_for: int, asked: int, *, lacks: bool):
    place, name = StreamSource(project="shop", env="dev", source="arrivals"), "delays@1"
    with (
        closing(open_stream_state(f"sqlite:///{tmp_path / 'online.db'}")) as state,
        closing(state.connect(place)) as connection,
    ):
        connection.register.add_partition("p")
        generation = Generation(view=name, id="a1")
        cuts = connection.generations.add(generation, layout_document(layout_of(VIEW, made_for * SECOND))).cuts
        assert connection.lists.make_ready(generation, connection.lists.seed(generation, []), cuts)
        assert connection.generations.switch(generation)
        lacking = lacking_views(connection, state, place, {name: VIEW}, {name: asked * SECOND})
    assert lacking == [name] * lacks


def test_a_layout_of_usual_questions_is_what_it_was():
    assert "max_age_us" not in layout_document(layout_of(VIEW))
    older = layout_document(layout_of(VIEW, 5 * SECOND))
    assert '"max_age_us":5000000' in older
    assert parse_layout(older) == layout_of(VIEW, 5 * SECOND)
