"""`featurectl pipeline list`."""

from __future__ import annotations

from featurectl.cli.command_decorator import verb
from featurectl.cli.shared.call import Call, Outcome
from featurectl.cli.shared.workspaces import open_applied


@verb()
def list_pipelines(call: Call) -> Outcome:
    """List pipelines with their last runs.

    And with the next time that they are due. Nothing here runs a schedule: `featurectl pipeline render` writes it for
    what does.
    """
    from featurectl.pipelines.overview import list_runs
    from featurectl.render.pipelines import pipeline_list_json, render_pipeline_list

    with open_applied(call) as workspace:
        found = list_runs(workspace)
    return Outcome(text=render_pipeline_list(found), result={"pipelines": pipeline_list_json(found)})
