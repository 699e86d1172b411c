"""Which YAML files belong to a repository: layouts as teams have them, with the files of other tools."""

import json

import pytest

from featurectl.cli.main import main
from featurectl.language.repository_files import find_files, patterns_of
from tests.language.repository import BASE, PROJECT, load

DVC = "stages:\n  train:\n    cmd: python train.py\n    deps: [data]\n"
DBT_MODELS = "version: 2\nmodels:\n  - name: orders\n    columns: [{name: id, tests: [unique]}]\n"
# What lies in the repository, by tool: the files that are skipped by their content, then those not even looked at.
LAYOUTS = {
    "dvc": ({"dvc.yaml": DVC, "params.yaml": "train: {lr: 0.1}\nmodel: {depth: 3}\n", "dvc.lock": "x"}, ()),
    "conda": ({"environment.yml": "name: x\nchannels: [conda-forge]\ndependencies: [python=3.11]\n"}, ()),
    "mkdocs": ({"mkdocs.yml": "site_name: x\nnav: [a.md]\nplugins: [search]\nx: !!python/name:a.b\n"}, ()),
    "compose": ({"compose.yaml": "x-a: &a {restart: always}\nservices: {db: {<<: *a, image: postgres}}\n"}, ()),
    "hydra": (
        {"conf/config.yaml": "defaults: [_self_, {model: small}]\n", "conf/model/small.yaml": "layers: 3\nname: s\n"},
        (),
    ),
    "kedro": ({"conf/base/catalog.yml": "companies: {type: pandas.CSVDataset, filepath: a.csv}\n"}, ()),
    "kubernetes": ({"k8s/app.yaml": "apiVersion: v1\nkind: List\n---\napiVersion: v1\n"}, ()),
    "kustomize": ({"k8s/kustomization.yaml": "resources: [a.yaml]\n"}, ()),
    "ansible": ({"site.yml": "- name: web\n  hosts: all\n  tasks: []\n"}, ()),
    "prometheus": ({"prometheus.yml": "global: {}\nalerting: {}\nscrape_configs: []\n"}, ()),
    "helm": ((), {"chart/Chart.yaml": "name: x\n", "chart/templates/a.yaml": "{{ .Values.x }}\nmodels: [\n"}),
    "dbt": ((), {"warehouse/dbt_project.yml": "name: x\n", "warehouse/models/schema.yml": DBT_MODELS}),
    "venv": ((), {"env/pyvenv.cfg": "", "env/lib/x/conf.yaml": "models: 1\n"}),
    "mlflow": ((), {"mlruns/0/meta.yaml": "artifact_location: x\n", "mlruns/0/a/MLmodel.yaml": "models: 1\n"}),
    "node": ((), {"web/node_modules/a/b.yaml": "models: 1\n"}),
    "packages": ((), {"lib/python3/site-packages/a/b.yaml": "sources: 1\n"}),
}


@pytest.mark.parametrize("tool", LAYOUTS)
def test_a_repository_among_the_files_of_another_tool_is_valid(tool, tmp_path):
    skipped, unseen = LAYOUTS[tool]
    repo = load(tmp_path, {"features/base.yaml": BASE, **dict(skipped), **dict(unseen)})
    assert repo.errors == ()
    assert repo.files == ("featurectl.yaml", "features/base.yaml")
    notes = [p.message for p in repo.problems if p.code == "FC362"]
    named = sorted(path for path in skipped if path.endswith((".yaml", ".yml")))
    assert bool(notes) == bool(named)
    assert all(path in notes[0] for path in named)


def test_all_tools_at_once_are_one_note_and_the_line_of_files_ends_it(tmp_path):
    foreign = {path: text for layout in LAYOUTS.values() for part in layout for path, text in dict(part).items()}
    repo = load(tmp_path, {"features/base.yaml": BASE, **foreign})
    (note,) = (p for p in repo.problems if p.code == "FC362")
    assert note.severity == "note"
    assert "12 YAML files have no key of featurectl and are not read: " in note.message
    repo = load(tmp_path, {"featurectl.yaml": PROJECT + 'files: ["features/**"]\n'})
    assert [p for p in repo.problems if p.code.startswith("FC36")] == []
    assert repo.errors == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("soruces:\n  - {name: a, path: b}\n", "FC102"),  # a misspelt list
        ("views:\n  - {name: a, source: b}\n", "FC102"),
        ("entity: {name: a, keys: {a: string}}\n", "FC102"),  # an object that stands in the place of its list
        ("- {name: a, path: data/x.csv, event_time: at}\n", "FC101"),
        ("models:\n  - name: &a x\n", "FC005"),  # our key in what is not our YAML
        ("version: 2\nmodels:\n  - name: a\n", "FC102"),
        ("models: {a: b}\n", "FC101"),
    ],
)
def test_a_file_that_may_be_ours_is_an_error(text, code, tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "x.yaml": text})
    assert code in [p.code for p in repo.errors if p.place.path == "x.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        DBT_MODELS,
        "models:\n  - name: orders\n    columns: []\n",
        "version: 1\nsources: [a: b\n",
        "models: {a: {b: 1}}\n",
    ],
)
def test_the_error_of_a_foreign_file_shows_the_line_that_leaves_it_out(text, tmp_path):
    files = {"entities.yaml": "entities: []\n", "features/a.yaml": BASE, "models/x.yml": "models: []\n"}
    repo = load(tmp_path, files | {"models/schema.yml": text, "dvc.yaml": DVC})
    line = 'files: ["entities.yaml", "features/**", "models/x.yml"]'
    notes = [note for p in repo.errors if p.place.path == "models/schema.yml" for note in p.notes if line in note]
    assert len(notes) == 1
    assert load(tmp_path, {"featurectl.yaml": f"{PROJECT}{line}\n"}).errors == ()


def test_a_typo_in_a_file_of_ours_is_not_taken_for_another_tools(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "x.yaml": "entities: [{name: a, kys: {a: string}}]\n"})
    assert not any("files:" in note for p in repo.errors for note in p.notes)


def test_files_decides_alone(tmp_path):
    (tmp_path / "data").mkdir()
    names = ["a.yaml", "data/b.yaml", ".hidden/c.yaml", "mlruns/d.yaml", "x/y/e.yml", "x/f.yaml", "x/.g.yaml", "x/h"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    def found(*patterns):
        return list(find_files(tmp_path, patterns).files)

    assert found() == ["a.yaml", "x/f.yaml", "x/y/e.yml"]
    assert found("**") == ["a.yaml", "data/b.yaml", "mlruns/d.yaml", "x/f.yaml", "x/y/e.yml"]
    assert found("x/*") == found("x/*.yaml") == ["x/f.yaml"]
    assert found("**/e.yml", "a.yaml") == ["a.yaml", "x/y/e.yml"]
    assert found(".hidden/*", "x/.g.yaml") == [".hidden/c.yaml", "x/.g.yaml"]
    assert found("x", "nothing/**") == []


@pytest.mark.parametrize("pattern", ["E.yaml", "[a-", "views/**"])
def test_patterns_that_match_nothing_at_all_are_named(pattern, tmp_path, capsys):
    load(tmp_path, {"featurectl.yaml": f"{PROJECT}files: [{json.dumps(pattern)}]\n", "e.yaml": BASE})
    assert main(["validate", "-C", str(tmp_path), "--no-data"]) == 1
    said = "".join(capsys.readouterr())
    assert f'"{pattern}" in files: matches no YAML file' in said


def test_what_a_line_of_files_matches_is_what_it_was_made_of(tmp_path):
    names = ["a.yaml", "m/e.yaml", "m/x.yaml", "v/b.yaml", "v/c/d.yaml", "w/o/p.yaml", "w/q.yaml"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for chosen in range(1, 1 << len(names)):
        own = [name for bit, name in enumerate(names) if chosen >> bit & 1]
        others = [name for name in names if name not in own]
        assert sorted(find_files(tmp_path, patterns_of(own, others)).files) == own


def test_files_of_a_broken_project_file_are_known_all_the_same(tmp_path):
    project = PROJECT.replace("project: flights", "project: Not-A-Name") + 'files: ["base.yaml"]\n'
    repo = load(tmp_path, {"featurectl.yaml": project, "base.yaml": BASE, "x.yaml": "models: [\n"})
    assert [p.place.path for p in repo.errors] == ["featurectl.yaml"]


def test_a_file_that_is_not_read_can_not_be_validated(tmp_path, capsys):
    load(tmp_path, {"featurectl.yaml": PROJECT + 'files: ["base.yaml"]\n', "base.yaml": BASE, "x.yaml": "models: [\n"})
    assert main(["validate", str(tmp_path / "x.yaml")]) == 64
    assert main(["validate", str(tmp_path / "base.yaml"), "--no-data"]) == 0
    assert "without `files:`" in capsys.readouterr().err


def test_init_writes_files_beside_yaml_of_others(tmp_path, capsys, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "schema.yml").write_text(DBT_MODELS)
    (tmp_path / "dbt_project.yml").write_text("name: x\n")
    monkeypatch.chdir(tmp_path)
    assert main(["init", "."]) == 0
    own = ["entities.yaml", "models/late_arrival.yaml", "pipelines.yaml", "sources.yaml", "tests/**", "views/**"]
    assert f"files: {json.dumps(own)} #" in (tmp_path / "featurectl.yaml").read_text()
    capsys.readouterr()
    assert main(["validate", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["files"] == 13
