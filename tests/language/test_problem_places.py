"""Every kind of problem in a file: its code, its exact place (between « and ») and its suggestion."""

from __future__ import annotations

import pytest

from tests.language.repository import BASE, load

VIEW = "feature_views:\n  - name: v\n    entity: carrier\n    source: arrivals\n"
STATE = VIEW.replace("arrivals", "flights")
MODEL = "models:\n  - name: m\n    spine: {source: flights, time: at, label: {name: is_late, expr: arr_delay > 15}}\n"
TEST = "tests:\n  - name: t\n    view: delays\n"

CASES = [
    # YAML
    ("FC002", "models: «[»\n", ""),
    ("FC002", "models: «`»b`\n", ""),
    ("FC003", STATE + "    features: [{name: x, expr: «coalesce(distance, 0)»}]\n",
     'did you mean expr: "coalesce(distance, 0)"?'),
    ("FC004", "entities:\n  - {name: x, keys: {k: string}, «name»: y}\n", ""),
    ("FC005", "entities: «&a» []\n", ""),
    ("FC005", "entities: «*a»\n", ""),
    ("FC005", "entities: «!!seq» []\n", ""),
    ("FC005", "entities: []\n«---»\nsources: []\n", ""),
    ("FC005", "entities:\n  - name: x\n    keys: {k: string}\n    «<<»: {owner: me}\n", ""),
    ("FC010", 'entities:\n  - {name: x, keys: {k: string}, owner: «"a\\0"»}\n', ""),
    ("FC010", 'entities:\n  - {name: x, keys: {k: string}, «"\\x00"»: a}\n', ""),
    # Shape
    ("FC101", "entities: «x»\n", ""),
    ("FC101", "entities:\n  - name: x\n    keys: «[a]»\n", ""),
    ("FC101", "entities:\n  - name: x\n    keys: {k: string}\n    tags: «core»\n", ""),
    ("FC101", VIEW + "    aggregates: [{op: last_n, column: delay, n: «three», windows: [1d]}]\n", ""),
    ("FC101", VIEW + "    online: «yes»\n    aggregates: [{op: count, windows: [1d]}]\n", ""),
    ("FC102", "«entites»: []\n", 'did you mean "entities"?'),
    ("FC102", VIEW + "    aggregates:\n      - op: count\n        «windw»: [7d]\n", 'did you mean "windows"?'),
    ("FC102", "«project»: x\n", ""),
    ("FC103", "entities:\n  - name: «x»\n", ""),
    ("FC104", "entities:\n  - name: x\n    keys: {k: «varchar»}\n", 'did you mean "string"?'),
    ("FC104", "entities:\n  - name: x\n    keys: {k: «float64»}\n", ""),
    ("FC104", "sources:\n  - {name: s, path: «data/x.xlsx», event_time: at, delay: 1m}\n", ""),
    ("FC104", "sources:\n  - {name: s, path: x.csv, csv: {separator: «;;»}, event_time: at, delay: 1m}\n", ""),
    ("FC104", "sources:\n  - {name: s, path: x.csv, csv: {separator: «''»}, event_time: at, delay: 1m}\n", ""),
    ("FC104", "sources:\n  - {name: s, path: x.csv, csv: {timestamp_format: «YYYYMMDD»}, event_time: at, delay: 1m}\n",
     'did you mean "%Y%m%d"?'),
    ("FC104", "sources:\n  - {name: s, path: x.csv, csv: {timestamp_format: «'%Q'»}, event_time: at, delay: 1m}\n", ""),
    ("FC104", "sources:\n  - {name: s, path: x.csv, csv: {timestamp_format: «''»}, event_time: at, delay: 1m}\n", ""),
    ("FC104", "sources:\n  - {name: s, path: x.csv, event_time: at, delay: 1m, timezone: «Europe/Berln»}\n",
     'did you mean "Europe/Berlin"?'),
    ("FC104", VIEW + "    closed: «lefft»\n    aggregates: [{op: count, windows: [1d]}]\n", 'did you mean "left"?'),
    ("FC104", VIEW + "    aggregates: [{op: «meen», column: delay, windows: [1d]}]\n", 'did you mean "mean"?'),
    ("FC104", VIEW + "    aggregates: «[]»\n", ""),
    ("FC105", "entities:\n  - {name: «My-Entity», keys: {k: string}}\n", 'did you mean "my_entity"?'),
    ("FC105", STATE + "    features: [{name: «asof», expr: distance}]\n", ""),
    ("FC106", VIEW + "    aggregates: [{op: count, windows: [«1 day»]}]\n", 'did you mean "1d"?'),
    ("FC106", VIEW + "    aggregates: [{op: count, windows: [«lifetim»]}]\n", 'did you mean "lifetime"?'),
    ("FC106", STATE + "    ttl: «0s»\n    features: [distance]\n", ""),
    ("FC107", "sources:\n  - {name: «s»}\n", ""),
    ("FC107", "sources:\n  - {name: s, path: a.csv, «sql»: {url: '${X}', query: y}, event_time: at, delay: 1m}\n", ""),
    ("FC107", "sources:\n  - {name: s, path: a.csv, event_time: at, delay: 1m, «lateness»: 1h}\n", ""),
    ("FC107", VIEW + "    aggregates: [{op: count, windows: [1d]}]\n    «ttl»: 3h\n", ""),
    ("FC107", MODEL + "    features:\n      - «{»a: 1, b: 2}\n", ""),
    ("FC108", 'entities:\n  - {name: x, keys: {k: string}, owner: «"${USER}"»}\n', ""),
    # References
    ("FC201", VIEW.replace("carrier", "«carier»") + "    aggregates: [{op: count, windows: [1d]}]\n",
     'did you mean "carrier"?'),
    ("FC201", VIEW.replace("arrivals", "«arivals»") + "    aggregates: [{op: count, windows: [1d]}]\n",
     'did you mean "arrivals"?'),
    ("FC201", MODEL + "    features:\n      - delays: [«delay_men_1d»]\n", 'did you mean "delay_mean_1d"?'),
    ("FC201", MODEL + "    features:\n      - «delys»: [trend]\n", 'did you mean "delays"?'),
    ("FC202", "entities:\n  - {name: «carrier», keys: {carrier: string}}\n", ""),
    ("FC204", VIEW + "    aggregates:\n      - {op: count, windows: [1d, «1d»]}\n", ""),
    ("FC204", VIEW + "    aggregates: [{op: count, windows: [1d]}]\n    derived: [{name: «count_1d», expr: count_1d + "
                     "1}]\n", ""),
    ("FC204", STATE + "    features: [«carrier»]\n", ""),
    ("FC205", MODEL + "    features:\n      - delays: [trend]\n      - {feature: 'delays:count_1d', as: «trend»}\n",
     ""),
    ("FC205", MODEL + "    features:\n      - {feature: 'delays:count_1d', as: «distance»}\n", ""),
    ("FC104", MODEL + "    features: [{delays: [trend]}]\n    output: {name: p, type: «int64»}\n", ""),
    ("FC206", VIEW + "    join: {«carier»: origin}\n    aggregates: [{op: count, windows: [1d]}]\n",
     'did you mean "carrier"?'),
    ("FC207", "entities:\n  - {name: other, keys: {«carrier»: int64}}\n", ""),
    ("FC208", STATE + "    transform: «none.py:f»\n    features: [{name: x, type: int64}]\n", ""),
    ("FC209", "pipelines:\n- {name: p, stages: [{name: a, run: test, needs: «[b]»}, {name: b, run: test, needs: [a]}]}",
     ""),
    # Semantics
    ("FC301", VIEW + "    where: «dely» > 3\n    aggregates: [{op: count, windows: [1d]}]\n", 'did you mean "delay"?'),
    ("FC301", VIEW + "    aggregates: [{op: mean, column: «dely», windows: [1d]}]\n", 'did you mean "delay"?'),
    ("FC301", VIEW + "    join: {carrier: «carier»}\n    aggregates: [{op: count, windows: [1d]}]\n",
     'did you mean "carrier"?'),
    ("FC301", STATE + "    features: [«distanc»]\n", 'did you mean "distance"?'),
    ("FC301", STATE + "    features: [distance]\n    derived:\n      - name: x\n        expr: >\n          1 +\n      "
                      "    «distence»\n", 'did you mean "distance"?'),
    ("FC301", STATE + "    features: [distance]\n    derived:\n      - {name: x, expr: 'if(''a'' = ''b'', 1, "
                      "«distence»)'}\n", 'did you mean "distance"?'),
    ("FC301", STATE + '    features: [distance]\n    derived:\n      - {name: x, expr: "1 + «distence»"}\n',
     'did you mean "distance"?'),
    ("FC301", STATE + '    features: [distance]\n    derived:\n      - {name: x, expr: "1\\t+\\u0031\\x31 +\\n '
                      '«distence»"}\n', 'did you mean "distance"?'),
    ("FC301", STATE + '    features: [distance]\n    derived:\n      - {name: x, expr: "if(\\x27\\u00e9\\\\\\x27 = '
                      '\\x27n\\x27,\\n1, \\\n          «distence»)"}\n', 'did you mean "distance"?'),
    ("FC301", STATE + "    features: [distance]\n    derived:\n      - name: x\n        expr: |\n          1 + "
                      "«distence»\n", 'did you mean "distance"?'),
    ("FC301", MODEL + "    features:\n      - {request: {«distanc»: int64}}\n", 'did you mean "distance"?'),
    ("FC302", VIEW + "    where: «delay»\n    aggregates: [{op: count, windows: [1d]}]\n", ""),
    ("FC302", STATE + "    features: [{name: x, expr: distance, type: «string»}]\n", ""),
    ("FC303", VIEW + "    where: delay «==» 3\n    aggregates: [{op: count, windows: [1d]}]\n", ""),
    ("FC303", STATE + "    features: [{name: x, expr: «lenght»(origin)}]\n", 'did you mean "length"?'),
    ("FC304", VIEW + "    aggregates: [{op: «percentile», column: delay, windows: [1d]}]\n", ""),
    ("FC304", VIEW + "    aggregates: [{op: «sum», windows: [1d]}]\n", ""),
    ("FC304", VIEW + "    aggregates: [{op: «count», where: late, windows: [1d]}]\n", ""),
    ("FC304", VIEW + "    aggregates: [{op: [«mean», max], column: delay, name: x, windows: [1d]}]\n", ""),
    ("FC305", VIEW + "    aggregates: [{op: «mean», column: origin, windows: [1d]}]\n", ""),
    ("FC306", STATE + "    features: [{name: distance, default: «far»}]\n", ""),
    ("FC306", VIEW + "    aggregates: [{op: count, windows: [1d], default: «1.5»}]\n", ""),
    ("FC306", MODEL + "    features: [{feature: 'delays:count_1d', default: «few»}]\n", ""),
    ("FC307",
     VIEW.replace("arrivals", "airports").replace("carrier", "airport")
     + "    «aggregates»: [{op: count, windows: [1d]}]\n", ""),
    ("FC307", "sources:\n  - {name: s, path: a.csv, «available_at»: x}\n", ""),
    ("FC308", MODEL.replace("arr_delay >", "«arr_delay» >") + "    features: [{request: {arr_delay: float64}}]\n", ""),
    ("FC309", VIEW + "    join: {carrier: «delay»}\n    aggregates: [{op: count, windows: [1d]}]\n", ""),
    ("FC310",
     MODEL.replace("models", VIEW + "    aggregates: [{op: last_n, n: 3, column: delay, windows: [1d]}]\nmodels")
     + "    features:\n      - v: [«delay_last_3_1d»]\n", ""),
    ("FC311", TEST + "    rows: [{carrier: AA, at: 2013-01-01, «dely»: 3}]\n    spine: [{carrier: AA, time: "
                     "2013-01-01}]\n    expect: [{count_1d: 1}]\n", 'did you mean "delay"?'),
    ("FC311", TEST + "    rows: []\n    spine: [{carrier: AA, time: «yesterday»}]\n    expect: [{count_1d: 1}]\n", ""),
    ("FC311", TEST + "    rows: []\n    spine: [{carrier: AA, time: 2013-01-01}]\n    «expect»: [{count_1d: 1}, "
                     "{count_1d: 2}]\n", ""),
    ("FC311", TEST + "    rows: []\n    spine: [{carrier: AA, time: 2013-01-01}]\n    «expect»: [{}]\n", ""),
    ("FC312", "sources:\n  - {name: s, path: a.csv, event_time: «x», delay: 1m, columns: {x: string}}\n", ""),
    ("FC313", ("sources:\n  - {name: s, sql: {url: «'postgresql://ana:secret@host/db'», query: select 1}, event_time: "
              "at, delay: 1m}\n"), ""),
    ("FC351", "sources:\n  - {name: «s», path: a.csv}\n", ""),
    ("FC352", ("sources:\n  - {name: s, path: a.csv, event_time: «at», columns: {at: timestamp, ingested_at: "
              "timestamp}}\n"), ""),
    ("FC353", STATE + "    features: [distance]\n    refresh: «6h»\n    freshness: {warn_after: 1h}\n", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "marked", "suggestion"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)]
)
def test_a_problem_stands_at_its_place_with_its_suggestion(tmp_path, code, marked, suggestion):
    before, rest = marked.split("«")
    wanted, after = rest.split("»")
    line = before.count("\n") + 1
    column = len(before) - before.rfind("\n")
    repo = load(tmp_path, {"base.yaml": BASE, "case.yaml": before + wanted + after})
    mine = [p for p in repo.problems if (p.place.path, p.code) != ("base.yaml", "FC351")]
    assert [(p.code, p.place.path, p.place.line, p.place.column, p.suggestion) for p in mine] == [
        (code, "case.yaml", line, column, suggestion)
    ]
    if code not in ("FC002", "FC107"):
        assert mine[0].place.end_column == column + len(wanted)


def test_the_base_repository_itself_is_valid(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE})
    assert [(p.code, p.severity) for p in repo.problems] == [("FC351", "note")]
    assert repo.unsupported == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"tests: \xff", "the file is not UTF-8: byte 0xff"),
     (b"#" * 5_000_001, "the file is 5.0 MB; at most 5 MB are read")],
)  # fmt: skip
def test_a_file_that_is_no_text_is_refused(tmp_path, content, message):
    (tmp_path / "x.yaml").write_bytes(content)
    repo = load(tmp_path, {"base.yaml": BASE})
    assert [(p.code, p.message, p.place.path) for p in repo.errors] == [("FC001", message, "x.yaml")]


def test_a_control_character_is_refused_at_its_place(tmp_path):
    repo = load(tmp_path, {"x.yaml": "test: é\x07"})
    assert [(p.code, p.place.line, p.place.column) for p in repo.errors] == [("FC002", 1, 8)]


def test_an_empty_repository_says_so(tmp_path):
    assert [p.code for p in load(tmp_path, {"x.yaml": "# nothing\n"}).errors] == ["FC203"]


def test_a_folder_without_a_project_file_says_so(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "featurectl.yaml": ""})
    (tmp_path / "featurectl.yaml").unlink()
    from featurectl.language.load import load_repo

    assert [p.code for p in load_repo(tmp_path, None).errors] == ["FC203"]
    assert repo.project == ""


def test_broken_references_give_both_places(tmp_path):
    text = VIEW.replace("arrivals", "arivals") + "    aggregates: [{op: count, windows: [1d]}]\n"
    (problem,) = load(tmp_path, {"base.yaml": BASE, "case.yaml": text}).errors
    ((place, word),) = problem.related
    assert (place.path, place.line, word) == ("base.yaml", 6, 'source "arrivals" is declared here')


def test_a_broken_view_does_not_make_its_models_wrong(tmp_path):
    text = (
        VIEW
        + "    aggregates: [{op: meen, column: delay, windows: [1d]}]\n"
        + MODEL
        + "    features: [{v: [delay_meen_1d]}]\n"
    )
    assert [p.code for p in load(tmp_path, {"base.yaml": BASE, "case.yaml": text}).errors] == ["FC104"]


def test_all_problems_of_all_files_come_in_one_run_sorted_by_place(tmp_path):
    files = {"base.yaml": BASE, "b.yaml": "sources: x\nentites: []\n", "a.yaml": "models: [{name: 1}]\n"}
    repo = load(tmp_path, files)
    found = [(p.place.path, p.place.line, p.code) for p in repo.errors]
    assert found == [
        ("a.yaml", 1, "FC103"),
        ("a.yaml", 1, "FC103"),
        ("a.yaml", 1, "FC105"),
        ("b.yaml", 1, "FC101"),
        ("b.yaml", 2, "FC102"),
    ]


BADLY_NAMED = {
    "entities: [{name: Bad One, keys: {a: strin}}]": ["FC105", "FC104"],
    "sources: [{name: Bad One, path: a.csv, event_time: at, delay: 1x, columns: {at: int64}}]": ["FC105", "FC106",
                                                                                                 "FC312"],
    "feature_views: [{name: Bad One, entity: carier, source: arrivals, where: dely > 1, features: [delay]}]": [
        "FC105", "FC201", "FC301",
    ],
    "models: [{name: Bad One, spine: {source: flights, time: att}, features: [{delays: [nope]}]}]": [
        "FC105", "FC301", "FC201",
    ],
    "pipelines: [{name: Bad One, stages: [{name: a, run: push, needs: [b]}]}]": ["FC105", "FC201"],
    "alerts: [{name: Bad One, when: freshness > 1h, severity: warning, notify: [ops]}]": ["FC105", "FC201"],
    "notifiers: [{name: Bad One, slack: '${A}', webhook: b}]": ["FC105", "FC107"],
}  # fmt: skip


@pytest.mark.parametrize(("text", "codes"), BADLY_NAMED.items(), ids=[text.split(":")[0] for text in BADLY_NAMED])
def test_an_object_with_a_bad_name_tells_its_other_errors(tmp_path, text, codes):
    repo = load(tmp_path, {"base.yaml": BASE, "case.yaml": text})
    assert sorted(problem.code for problem in repo.errors) == sorted(codes)
