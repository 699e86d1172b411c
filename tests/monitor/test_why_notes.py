"""What `status` notes of a view stands on the page of `why`, too."""

from __future__ import annotations

from dataclasses import replace

from featurectl.render.why import render_why
from tests.monitor.test_why import FRESH


def test_what_status_notes_of_a_view_is_said_although_nothing_is_late():
    note = "1 late row left out: materialize spend --full"
    page = render_why(replace(FRESH, row=replace(FRESH.row, note=note)), "", "dev", None, whole=True)
    assert page.splitlines()[1] == f"no SLA is broken, but {note}"
