"""What runs in Kubernetes, systemd and Compose: names, resources, variables, how long it has to end."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.pipelines.render.context import deadline_s
from featurectl.pipelines.render.dialects import kube_name
from featurectl.pipelines.render.order import render_deployments
from featurectl.pipelines.retries import longest_wait_s, wait_s
from tests.pipelines.render.shop import SCORES, deployments_for, in_parts_for, order, pipelines_for, write_repository


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository."""
    return write_repository(tmp_path / "repo")


def change(root: Path, old: str, new: str) -> None:
    path = root / "objects.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def objects(root: Path, name: str) -> dict[str, Any]:
    """Return the objects of a deployment by their kinds."""
    text = deployments_for(root, "kubernetes", name)[f"flights-{name}.yaml"]
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def pod(found: dict[str, Any]) -> dict[str, Any]:
    return found["Deployment"]["spec"]["template"]["spec"]


@pytest.mark.parametrize(
    ("drain", "seconds"),
    [("", 20), (" --drain 30s", 45), (" --drain 2m", 135), (" --drain 2.5", 18), (" --drain 0s", 15)],
)
def test_a_server_has_its_drain_and_fifteen_seconds_to_end(root, drain, seconds):
    change(root, "serve --drain 30s", f"serve{drain}")
    assert pod(objects(root, "inference"))["terminationGracePeriodSeconds"] == seconds
    assert (
        f"TimeoutStopSec={seconds}\n" in deployments_for(root, "systemd", "inference")["flights-prod-inference.service"]
    )
    compose = yaml.safe_load(deployments_for(root, "compose", "inference")["compose.yaml"])
    assert compose["services"]["inference"]["stop_grace_period"] == f"{seconds}s"


def test_what_answers_does_so_on_all_addresses_at_its_port(root):
    change(root, "run: stream run swipes", "run: stream run swipes --port 9000")
    container = pod(objects(root, "swipes"))["containers"][0]
    assert container["command"][:6] == ["featurectl", "stream", "run", "swipes", "--port", "9000"]
    assert container["command"][6:] == ["--env", "prod", "--host", "0.0.0.0"]  # noqa: S104 (of a container)
    assert container["ports"] == [{"name": "http", "containerPort": 9000}]


def test_an_address_that_is_given_stays(root):
    change(root, "run: serve --drain 30s", "run: 'serve --host :: --port 8080'")
    command = pod(objects(root, "inference"))["containers"][0]["command"]
    assert command == ["featurectl", "serve", "--host", "::", "--port", "8080", "--env", "prod"]


def test_what_an_autoscaler_counts_is_asked_for(root):
    change(root, "resources: {cpu: 2, memory: 2Gi}}", "resources: {memory: 2Gi}}")
    resources = pod(objects(root, "inference"))["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}}


def test_a_cron_job_ends_when_all_stages_must_have_ended(root):
    job = yaml.safe_load(pipelines_for(root, "kubernetes", "nightly")["flights-nightly.yaml"])["spec"]["jobTemplate"]
    tries = (7200 + 60) + (3 * (1800 + 60) + 1 + 2) + (600 + 60) + (300 + 60) + 180
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]) == (tries, 0)
    change(root, ", timeout: 5m", "")
    job = yaml.safe_load(pipelines_for(root, "kubernetes", "nightly")["flights-nightly.yaml"])["spec"]["jobTemplate"]
    assert "activeDeadlineSeconds" not in job["spec"]


@pytest.mark.parametrize(("retries", "waits"), [(0, 0), (3, 7), (10, 2**9 - 1 + 300)])
def test_the_end_of_a_run_is_behind_the_longest_waits_of_its_retries(retries, waits):
    stage = PipelineStage(name="a", run="push", timeout_us=5_000_000, retries=retries)
    assert deadline_s(Pipeline(name="p", stages=(stage,))) == (5 + 60) * (1 + retries) + waits + 180
    assert all(wait_s(attempt) <= longest_wait_s(attempt) for attempt in range(1, 12) for _ in range(20))


def test_a_job_by_hand_has_another_name_each_time(tmp_path):
    (tmp_path / "kubectl").write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    (tmp_path / "kubectl").chmod(0o755)
    stage = PipelineStage(name="a", run="push")
    file = in_parts_for("kubernetes", Pipeline(name="p" * 80, stages=(stage,)))
    ((name, text),) = file.items()
    command = text.partition("\n\n")[0].replace("\n# ", " ").removeprefix("# By hand: ")
    environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, check=True).stdout.split()
    cron_job = name.removesuffix(".yaml")
    assert said[:3] == ["create", "job", f"--from=cronjob/{cron_job}"]
    assert re.fullmatch(rf"{cron_job}-\d+", said[3])
    assert len(said[3]) <= 63


def test_no_two_names_of_the_language_become_one():
    names = ["a", "a_", "a_b", "a__b", "x" * 80, "x" * 81, "a_0"]
    made = [kube_name(f"flights-{name}") for name in names]
    assert len(set(made)) == len(names)
    assert all(len(name) <= 63 and not name.endswith("-") for name in made)


@pytest.mark.parametrize("target", ["kubernetes", "compose"])
def test_what_lies_on_a_disk_of_one_machine_is_said(root, target):
    from featurectl.pipelines.render.order import render_deployments
    from tests.pipelines.render.shop import order, texts_of

    for text in texts_of(render_deployments(order(root, target, "watch", env="dev"))).values():
        assert "# Beware: registry sqlite:///.featurectl/registry.db, offline .featurectl/offline" in text


def test_a_stage_in_parts_alone_has_a_pod_for_each(tmp_path):
    text = in_parts_for("kubernetes", SCORES)["flights-scores.yaml"]
    job = yaml.safe_load(text)["spec"]["jobTemplate"]["spec"]
    assert (job["completionMode"], job["completions"], job["parallelism"]) == ("Indexed", 4, 4)
    assert (job["backoffLimitPerIndex"], job["template"]["spec"]["activeDeadlineSeconds"]) == (2, 3600)
    container = job["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"memory": "2Gi"}
    (run_id, *_) = container["env"]
    assert run_id["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"}}
    assert "# ops of on_success and on_failure: Kubernetes notifies" in text
    assert "--to argo" in in_parts_for("kubernetes")["flights-in-parts.yaml"]

    (tmp_path / "featurectl").write_text('#!/bin/sh\nfor word in "$@"; do echo "$word"; done\n')
    (tmp_path / "featurectl").chmod(0o755)
    command = [word.replace("$$", "$") for word in container["command"]]  # as the kubelet does
    for index in range(4):
        environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "JOB_COMPLETION_INDEX": f"{index}", "RUN_ID": "a-b"}
        said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout.split("\n")
        assert said[:5] == ["score", "late", "--all-keys", "--out", "postgresql://h/$db?table=t"]
        assert said[5:-1] == "--env prod --part I/4 --run-id a-b --memory 2048MiB".replace("I", f"{index + 1}").split()


def test_services_may_write_into_stores_that_lie_elsewhere_on_the_disk(root):
    project = root / "featurectl.yaml"
    project.write_text(project.read_text().replace('"s3://acme-features/prod"', '"/data/my features"'))
    unit = pipelines_for(root, "systemd", "nightly")["flights-prod-nightly.service"]
    assert 'ReadWritePaths=/srv/flights "/data/my features" /tmp\n' in unit
    assert "ProtectHome=true\n" in unit
    server = deployments_for(root, "systemd", "inference")["flights-prod-inference.service"]
    assert 'ReadWritePaths=/srv/flights "/data/my features"\n' in server
    project.write_text(project.read_text().replace('"${REGISTRY_URL}"', '"sqlite:////home/a/registry.db?timeout=5"'))
    unit = pipelines_for(root, "systemd", "nightly")["flights-prod-nightly.service"]
    assert 'ReadWritePaths=/srv/flights "/data/my features" /home/a /tmp\n' in unit
    assert "ProtectHome" not in unit


def test_a_store_in_the_folder_of_temporary_files_is_not_hidden(root):
    project = root / "featurectl.yaml"
    project.write_text(project.read_text().replace('"s3://acme-features/prod"', "/tmp/features"))  # noqa: S108 (of a host)
    unit = deployments_for(root, "systemd", "inference")["flights-prod-inference.service"]
    assert "\nReadWritePaths=/srv/flights /tmp/features\n" in unit
    assert "PrivateTmp" not in unit


def test_a_container_that_answers_itself_alone_is_warned_of(root):
    change(root, "run: serve --drain 30s", "run: serve --host 127.0.0.1")
    said = {target: render_deployments(order(root, target)).warnings for target in ("kubernetes", "compose", "systemd")}
    start = "inference answers at 127.0.0.1 alone, which is nobody outside of"
    assert said == {
        "kubernetes": (f"kubernetes: {start} the pod, its probes included: leave --host out",),
        "compose": (f"compose: {start} its container: leave --host out",),
        "systemd": (),
    }
    assert (
        "# Beware: inference answers at" in deployments_for(root, "kubernetes", "inference")["flights-inference.yaml"]
    )


def test_two_servers_that_take_one_port_of_a_host_are_warned_of(root):
    change(root, "{name: ages, run: monitor export}", "{name: ages, run: serve --port 8001}")
    warning = "inference and ages take port 8001 of the host: give one a --port"
    assert render_deployments(order(root, "compose")).warnings == (f"compose: {warning}",)
    text = deployments_for(root, "compose")["compose.yaml"]
    assert f"# Beware: {warning}.\n" in text
    assert yaml.safe_load(text)["name"] == "flights-prod"


def test_what_names_no_processors_has_no_shares_where_none_does(root):
    assert "cpu_shares" not in deployments_for(root, "compose", "watch", "ages")["compose.yaml"]


@pytest.mark.parametrize(("cpu", "shares"), [("1m", 2), ("250m", 256), ("1", 1024), ("400", 262144)])
def test_shares_are_of_those_that_a_kernel_takes(root, cpu, shares):
    change(root, "resources: {cpu: 2, memory: 2Gi}", f"resources: {{cpu: {cpu}}}")
    services = yaml.safe_load(deployments_for(root, "compose", "inference")["compose.yaml"])["services"]
    assert services["inference"]["cpu_shares"] == shares
