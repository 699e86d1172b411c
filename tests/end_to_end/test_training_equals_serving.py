"""What a model saw of events as they came is what a training set says of them, whatever came late or twice."""

from __future__ import annotations

import pytest

from benchmarks.on_events_proof import prepare, prove

pytestmark = pytest.mark.long  # workers are processes, and a model is trained


def test_a_model_sees_of_events_what_it_was_trained_on(tmp_path):
    streams = f"sqlite:///{tmp_path / 's.db'}"
    prepare(tmp_path, "sqlite:///o.db", streams)
    proof = prove(tmp_path, streams, events=600, seconds=4)
    assert proof.predicted == 600 - proof.sent["bad"]
    assert (proof.missing, proof.off_clock, proof.as_logged.differ, proof.as_stamped.differ) == (0, 0, 0, 0)
    assert proof.late > 20
    assert proof.without.differ > proof.predicted
