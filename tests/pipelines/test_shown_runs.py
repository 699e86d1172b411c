"""What `pipeline show` says of a run that has not ended by itself."""

from dataclasses import replace

import pytest

from featurectl.offline.pipeline_records import PipelineRecord, StageRecord
from featurectl.offline.process import this_process
from featurectl.render.pipelines import render_pipeline_run

GONE = replace(this_process(), pid=2**22 - 3)
BEGAN, ENDED = "2026-03-05T07:00:00Z", "2026-03-05T07:02:00Z"
AGAIN = "featurectl pipeline run nightly --resume --env prod goes on with it"


def shown(state, *, process=GONE, ended=""):
    record = PipelineRecord(
        id="1", pipeline="nightly", environment="prod", clock=BEGAN, state=state, began=BEGAN, ended=ended,
        process=process, stages=(StageRecord(name="train", state="running", attempts=1, began=BEGAN),),
    )  # fmt: skip
    return render_pipeline_run(record).splitlines()


def test_a_run_that_goes_on_or_was_killed_has_no_length():
    last = "Pipeline nightly killed, as of 2026-03-05T07:00:00Z."
    assert shown("running")[-2:] == [last, AGAIN]
    assert shown("running", process=this_process())[-1] == last.replace("killed", "running")


@pytest.mark.parametrize("state", ["failed", "stopped"])
def test_a_run_that_did_not_succeed_says_how_to_go_on_with_it(state):
    assert shown(state, ended=ENDED)[-2:] == [f"Pipeline nightly {state} after 2 min, as of {BEGAN}.", AGAIN]
    assert shown("succeeded", ended=ENDED)[-1] == f"Pipeline nightly succeeded after 2 min, as of {BEGAN}."
