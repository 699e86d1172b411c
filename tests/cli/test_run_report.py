"""The living table of a run of a pipeline, as it is drawn on a terminal."""

from io import StringIO

from rich.console import Console
from rich.live import Live

from featurectl.cli.shared.run_report import LiveRunReport
from featurectl.offline.pipeline_records import StageRecord


def test_a_long_line_of_a_stage_takes_no_room_from_its_name_and_state():
    console = Console(file=StringIO(), width=100, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        report = LiveRunReport(live)
        report.wrote("canary", "late_arrival version 3: 60 of 500 requests; score_psi " + "entities with scores " * 20)
        report.look({"canary": StageRecord(name="canary", state="running")})
        drawn = console.render_lines(live.renderable)
    lines = ["".join(piece.text for piece in line) for line in drawn]
    assert lines[0].split() == ["stage", "state", "time", "last", "line"]
    assert lines[1].startswith("canary  running  ")
    assert "late_arrival version 3: 60 of 500 requests" in lines[1]
    assert {len(line.rstrip()) for line in lines[1:]} == {98}
