"""A word of a command line stays what it is, whatever the scheduler that reads it takes for a sign of its own."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featurectl.language.definitions.about import About
from featurectl.language.definitions.pipelines import Deployment, Pipeline, PipelineStage, Resources
from featurectl.pipelines.render import dialects
from featurectl.pipelines.render.request import DeploymentsRequest, RenderedFile, Site, Variable
from featurectl.pipelines.render.targets import DEPLOYMENT_TARGETS, PIPELINE_TARGETS, render_deployment_files
from tests.pipelines.render import naive_readers as naive
from tests.pipelines.render.shop import files_of

SITE = Site(project="it", environment="prod", image="it:1", folder="/srv/it", variables=(Variable(name="URL"),))
SIGNS = (
    "$CLOCK", "'$CLOCK'", "$PART/3", '"$PART/3"', "$RUN_ID", "$((JOB_COMPLETION_INDEX + 1))/3", "$(URL)", "$$",
    "$$(URL)", "${URL}", "${{ secrets.URL }}", "$''{{", "{{", "}}", "{{{", "{{item}}", "{{=1}}", "{{workflow.name}}",
    "{{inputs.parameters.part}}", "$(OPEN_BRACE)", "%n", "%%", "\\", "\\n", "\\x41", ";", "#", " #", ": ", "- ", "'",
    '"', "`id`", "|", "&", "!", "*", "~", "=", "\n", "\r", "\t", "\v", "\x01", "\x1b", "\x7f", "\x85", "\u2028",
    "\ufeff", "ä", "😀", " ", "on", "y", "1e-6", "0o17", "a",
)  # fmt: skip
WORDS = st.lists(st.sampled_from(SIGNS) | st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
WORD = WORDS.map("".join)
CLOCK = "2026-01-01T00:00:00Z"


def file_of(target: str, pipeline: Pipeline) -> RenderedFile:
    return files_of(target, pipeline, SITE)[0]


def pipeline_of(words: list[str]) -> tuple[Pipeline, list[str]]:
    """Return a pipeline of a stage with words, and what follows the options that it is given by its scheduler."""
    run = shlex.join(["get", "carriers", "-o", "json", "--", *words])
    return Pipeline(name="p", stages=(PipelineStage(name="s", run=run, retries=0),)), ["--", *words]


def parts_of(word: str) -> Pipeline:
    run = shlex.join(["score", "late", "--all-keys", f"--out={word}"])
    return Pipeline(name="p", stages=(PipelineStage(name="s", run=run, resources=Resources(replicas=3)),))


BEGIN = ["featurectl", "get", "carriers", "-o", "json", "--env", "prod"]
SCORE = ["featurectl", "score", "late", "--all-keys"]


@pytest.mark.long
@given(words=st.lists(WORD, max_size=3))
def test_argo_runs_the_words_of_a_stage(words):
    pipeline, behind = pipeline_of(words)
    spec = naive.read_yaml(file_of("argo", pipeline).text)["spec"]
    template = naive.by_argo(spec["templates"][1], **{"workflow.creationTimestamp.RFC3339": CLOCK})
    assert naive.by_kubelet(template["container"]) == [*BEGIN, "--clock", CLOCK, *behind]


@pytest.mark.long
@given(word=WORD)
def test_argo_runs_the_words_of_a_part(word):
    spec = naive.read_yaml(file_of("argo", parts_of(word)).text)["spec"]
    tags = {"workflow.creationTimestamp.RFC3339": CLOCK, "inputs.parameters.part": "2/3"}
    found = naive.by_kubelet(naive.by_argo(spec["templates"][1], **tags)["container"])
    assert found == [*SCORE, f"--out={word}", "--env", "prod", "--clock", CLOCK, "--part", "2/3"]


@given(words=st.lists(WORD, max_size=3))
def test_github_runs_the_words_of_a_stage(words):
    pipeline, behind = pipeline_of(words)
    script = naive.read_yaml(file_of("github-actions", pipeline).text)["jobs"]["s"]["steps"][-1]["run"]
    assert naive.by_github(script, CLOCK=CLOCK) == [*BEGIN, "--clock", CLOCK, *behind]


@pytest.mark.long
@given(word=WORD)
def test_github_runs_the_words_of_a_part(word):
    script = naive.read_yaml(file_of("github-actions", parts_of(word)).text)["jobs"]["s"]["steps"][-1]["run"]
    found = naive.by_github(script, CLOCK=CLOCK, PART="2")
    assert found == [*SCORE, f"--out={word}", "--env", "prod", "--clock", CLOCK, "--part", "2/3"]


@pytest.mark.long
@given(word=WORD)
def test_kubernetes_runs_the_words_of_a_part(word):
    job = naive.read_yaml(file_of("kubernetes", parts_of(word)).text)["spec"]["jobTemplate"]["spec"]
    shell, option, script = naive.by_kubelet(job["template"]["spec"]["containers"][0], URL="a", RUN_ID="id")
    assert (shell, option) == ("sh", "-c")
    found = naive.by_shell(script, JOB_COMPLETION_INDEX="1", RUN_ID="id")
    assert found == [*SCORE, f"--out={word}", "--env", "prod", "--part", "2/3", "--run-id", "id"]


@pytest.mark.parametrize(("target", "function"), [("airflow", "FeaturectlOperator"), ("dagster", "stage")])
@given(words=st.lists(WORD, max_size=3))
def test_schedulers_of_python_run_the_words_of_a_stage(target, function, words):
    pipeline, behind = pipeline_of(words)
    (arguments,) = naive.lists_of_python(file_of(target, pipeline).text, function)
    assert arguments == ["carriers", "-o", "json", *behind]


@pytest.mark.long
@given(word=WORD)
def test_a_deployment_runs_its_words_wherever_it_runs(word):
    run = shlex.join(["serve", f"--host={word}", "--port", "8000"])
    expected = ["serve", f"--host={word}", "--port", "8000", "--env", "prod"]
    request = DeploymentsRequest(site=SITE, deployments=(Deployment(name="d", run=run),), command="")
    texts = {name: render_deployment_files(target, request)[0].text for name, target in DEPLOYMENT_TARGETS.items()}
    pod = naive.read_yaml(texts["kubernetes"].partition("\n---\n")[0])["spec"]["template"]["spec"]
    assert naive.by_kubelet(pod["containers"][0], URL="a") == ["featurectl", *expected]
    service = naive.read_yaml(texts["compose"])["services"]["d"]
    assert naive.by_compose(service["command"]) == ["featurectl", *expected]
    assert naive.by_systemd(texts["systemd"]) == ["/srv/it/.venv/bin/featurectl", *expected]


@pytest.mark.long
@given(word=WORD, text=WORD)
def test_what_is_written_and_described_leaves_a_file_that_can_be_read(word, text):
    stage = PipelineStage(name="s", run=shlex.join(["monitor", "rules", f"--out={word}"]))
    pipeline = Pipeline(name="p", schedule="0 3 * * *", stages=(stage,), about=About(description=text))
    for target in PIPELINE_TARGETS:
        found = file_of(target, pipeline).text
        if target in ("kubernetes", "argo"):
            document = naive.read_yaml(found)
            description = document["metadata"].get("annotations", {}).get("kubernetes.io/description", "")
            assert description == text
        elif target == "github-actions":
            assert naive.read_yaml(found)["name"] == "it: p in prod"
        elif target in ("airflow", "dagster"):
            compile(found, "p.py", "exec")
        else:
            assert all(line.isprintable() for line in found.split("\n"))


@given(word=WORD)
def test_a_word_is_one_of_yaml_and_of_python(word):
    text = f"command: {dialects.yaml(['a', word])}\nrun: {dialects.yaml(word)}\nof: {dialects.yaml({'a': word})}\n"
    assert naive.read_yaml(text) == {"command": ["a", word], "run": word, "of": {"a": word}}
    script = f"for\n{word};\n"
    assert naive.read_yaml(f"a:\n  run: {dialects.yaml(script, 4)}\n  b: c\n") == {"a": {"run": script, "b": "c"}}
    assert eval(dialects.python(word)) == word  # noqa: S307 (our own text)
    assert eval(dialects.python([word, "a"] * 9, 4)) == [word, "a"] * 9  # noqa: S307 (our own text)


@pytest.mark.parametrize(
    "word", ["1e-6", "1E5", "-1e3", "y", "N", "0o14", "on", "Null", "010", "0x1f", ".5", "~", "2026-01-01", "12:30:45"]
)
def test_what_some_yaml_reads_as_no_text_is_quoted(word):
    assert dialects.yaml(word) == f"'{word}'"
    assert dialects.yaml(["verify", word]) == f"[verify, '{word}']"


@given(lines=st.lists(WORD, max_size=3))
def test_a_comment_holds_whatever_it_says(lines):
    text = dialects.comment("\n".join(["Beware:", *lines]), 4)
    assert all(line.startswith("    #") and line.isprintable() for line in text.removesuffix("\n").split("\n"))
