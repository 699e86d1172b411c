"""Every command that a page shows is run, and prints what the page says."""

import pytest

from benchmarks.story import DATA, render, tell
from tests.docs.pages import DOCS, PAGES, Command, name_of, read_blocks
from tests.docs.runner import JOB, Reader, check_output

RUN = [page for page in PAGES if any(block.language == "console" for block in read_blocks(page))]
SERVERS = "docs/how-to/production.md"
LONG = (
    "docs/how-to/clean-up.md",
    "docs/how-to/deploy.md",
    "docs/how-to/from-hand-written-sql.md",
    "docs/how-to/import-a-model.md",
    "docs/how-to/pipelines.md",
    "docs/how-to/promote-to-another-environment.md",
    "docs/how-to/read-iceberg.md",
    "docs/how-to/restore.md",
    "docs/tutorial/swipes.md",
    "docs/how-to/run-stream-workers.md",
    "docs/how-to/send-events-over-http.md",
    "docs/how-to/date-and-time-in-two-columns.md",
    "docs/how-to/train-any-estimator.md",
    "docs/tutorial/outage.md",
    "docs/tutorial/own-data.md",
)


def begins_with_flights(page):
    """Return whether a page goes on from the main job, which takes most of a minute."""
    notes = [note for block in read_blocks(page) for note in block.notes]
    return any(note in notes for note in (("setup", "state flights"), ("setup", "recorded flights")))


def cases(pages):
    return [pytest.param(page, marks=[pytest.mark.long] if is_long(page) else []) for page in pages]


def is_long(page):
    return begins_with_flights(page) or name_of(page) in LONG


@pytest.mark.parametrize("page", cases(page for page in RUN if name_of(page) != SERVERS), ids=name_of)
def test_commands_of_a_page_print_what_it_shows(page, tmp_path, request):
    reader = Reader(tmp_path, request.getfixturevalue("job") if begins_with_flights(page) else None)
    with reader.closing:
        for block in read_blocks(page):
            reader.follow(block, name_of(page))


@pytest.mark.long
def test_commands_for_production_run_on_postgresql_and_redis(tmp_path, job, postgres_url, redis_url):
    given = {"REGISTRY_URL": postgres_url, "REDIS_URL": redis_url, "OFFLINE_STORE": str(tmp_path / "tables")}
    reader = Reader(tmp_path, job, given=given)
    page = next(page for page in RUN if name_of(page) == SERVERS)
    for block in read_blocks(page):
        reader.follow(block, SERVERS)


@pytest.mark.long
def test_the_main_job_of_the_pages_succeeds(job):
    assert {text: job.ran[text].exit_code for text in JOB} == dict.fromkeys(JOB, 0)


def test_output_that_differs_is_found():
    command = Command("featurectl status", ("a  1", "...", "b ... d (0.1 s)"))
    check_output(command, "a  1\nx\ny\nb c d (12.5 s)\n", "")
    check_output(command, "a  1\nfit ... 10 s\nb  d (0.2 s)\n\n", "")
    for wrong in ("a  2\nb c d (0.1 s)\n", "a  1\nb c e (0.1 s)\n", "a  1\nb c d (0.1 s)\nmore\n"):
        with pytest.raises(AssertionError):
            check_output(command, wrong, "")


@pytest.mark.stress
def test_the_tutorials_story_is_what_its_program_prints():
    blocks = read_blocks(DOCS / "tutorial" / "flights.md")
    (command,) = [c for b in blocks if b.language == "console" for c in b.commands if "benchmarks.story" in c.text]
    check_output(command, render(tell(DATA)), "the story")
