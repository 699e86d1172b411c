"""Problems in files, as data, and the list of their codes.

A number is never reused: FC0xx YAML, 1xx shape, 2xx references, 3xx semantics, 4xx plan, 5xx data, 6xx stores.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from featurectl.language.problems.codes_clocks import CLOCKS
from featurectl.language.problems.codes_models import MODELS, SERVED, TRAINERS, Code
from featurectl.language.problems.codes_run import RUN
from featurectl.language.problems.codes_stores import STORES
from featurectl.language.problems.codes_streams import STREAMS
from featurectl.language.syntax.place import Place

Severity = Literal["error", "warning", "note"]  # a note is counted, and listed when asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, where, and what to do.

    `message` says what was found; `suggestion` at most one way out ('did you mean "windows"?'), drawn beside the
    caret; `notes` are further lines (what is allowed: "keys: op, windows"); `related` is the other place of a
    broken reference with a word on it.
    """

    code: str
    message: str
    place: Place
    severity: Severity = "error"
    suggestion: str = ""
    notes: tuple[str, ...] = ()
    related: tuple[tuple[Place, str], ...] = ()

    def sort_key(self) -> tuple[Place, str, str]:
        """Return what problems are ordered by: place, then code."""
        return (self.place, self.code, self.message)


def severity_of(code: str) -> Severity:
    """Return how grave problems of a code are where nothing else is said.

    >>> severity_of("FC102"), severity_of("FC352"), severity_of("FC360")
    ('error', 'warning', 'warning')
    """
    return "warning" if code.startswith(("FC35", "FC36")) else "error"


CODES: Final[Mapping[str, Code]] = {
    # YAML
    "FC001": Code(
        "a file can't be read as text",
        "Files of a repository are UTF-8, at most 5 MB, and hold at most a million keys, values and brackets. Save the "
        "file as UTF-8; cut a bigger file up: any number of files may hold parts of the same lists. Code of transforms "
        "declares no other encoding, and ends its lines as other files do, so that what is reviewed is what runs.",
    ),
    "FC002": Code(
        "the text is not YAML",
        "The place is where the reader gave up; the cause is often one line above it: a missing colon, a tab, a "
        "bracket that is not closed, a value that must be quoted.",
    ),
    "FC003": Code(
        "an expression was cut at a comma",
        "Inside {...} or [...] a comma ends a value, so an expression that holds one must be quoted: "
        'write {name: x, expr: "coalesce(a, 0)"}.',
    ),
    "FC004": Code(
        "a key stands twice in one mapping",
        "YAML readers would keep one of the two without a word. Remove one of them.",
    ),
    "FC005": Code(
        "a part of YAML that repositories do without",
        "Anchors (&), aliases (*), merge keys (<<), tags (!) and several documents in a file (---) are refused: what "
        "a file says is what stands in it. Write the value out, or quote a text that begins with & * or !.",
    ),
    "FC006": Code(
        "more problems than anybody reads",
        "After 10,000 problems nothing more is checked. Mend those that are shown, and run the command again; many at "
        "once often have one cause: a file that is no part of the repository, or a bracket that is not closed.",
    ),
    # Shape
    "FC007": Code(
        "a file is none of the repository's own",
        "YAML and transforms are regular files below the repository's root. A link that leaves it, a pipe, a device or "
        "a folder of that name is not opened: what it holds is nobody's business, and it might never end. Links within "
        "the repository are fine, those of a mounted ConfigMap, too. Copy the file, or move the repository's root up.",
    ),
    "FC010": Code(
        "a character that no text may hold",
        r"The escape \0 in a quoted text is a character that no path, and no text of a database, can hold. Leave it "
        "out. The rest of the file is not read.",
    ),
    "FC101": Code(
        "a value has the wrong type",
        "The key takes another kind of value: a list, a mapping, a text, a number, or true and false. Only true, "
        "false, null and JSON's numbers are not texts: yes, on and 010 are texts.",
    ),
    "FC102": Code(
        "an unknown key",
        "The object has no such key; nothing that is not understood is ever passed over. The note lists the keys "
        "that there are. `featurectl schema` writes a JSON Schema with which editors complete and check keys.",
    ),
    "FC103": Code(
        "a key is missing",
        "The object can't be understood without it.",
    ),
    "FC104": Code(
        "a value that is not allowed",
        "The value has the right type, but is none of those that the key takes.",
    ),
    "FC105": Code(
        "a name that is not allowed",
        "Names are lower-case letters, digits and underscores, and begin with a letter. Columns of other spellings "
        "enter through `select` of the source.",
    ),
    "FC106": Code(
        "a duration that is not allowed",
        "Durations are a whole number and a unit: 30s 15m 6h 7d 2w, each of a fixed length, more than zero and at "
        "most 100 years.",
    ),
    "FC107": Code(
        "keys that exclude or need each other",
        "The object takes exactly one of the keys, or one key only together with the other.",
    ),
    "FC108": Code(
        "an environment variable where none may stand",
        "${NAME} and ${NAME:-default} stand in registry, offline, online, streams, engine, path, sql.url, stream.url, "
        "stream.registry and notifiers, so that what a feature means never depends on where the command runs.",
    ),
    # References
    "FC109": Code(
        "a text is too long",
        "A key or value has at most 10,000 characters, a `query`, `sql` or `description` 100,000. A bracket or a quote "
        "that is not closed makes one value of many. The rest of the file is not read.",
    ),
    "FC201": Code(
        "a reference to something that does not exist",
        "Nothing of that kind has that name in the repository. Names are unique per kind, whatever file they are in.",
    ),
    "FC202": Code(
        "a name is used twice",
        "Two objects of one kind have the same name, or two columns of one object. Both places are shown.",
    ),
    "FC203": Code(
        "the repository declares nothing",
        "No file below the root declares an entity, a source or a view. Hidden folders and data/ are not "
        "read. `validate` only warns of it where featurectl.yaml is the one file that there is.",
    ),
    "FC204": Code(
        "two features of one view have the same name",
        "The name of an aggregate is <base>_<window>[_offset_<offset>]; its base is `name`, else <column>_<op>. Give "
        "one of them a `name`.",
    ),
    "FC205": Code(
        "two columns of a training set have the same name",
        "The columns are those of the spine, then the features, then the derived ones, then the label. Nothing is "
        "renamed by itself: use `as` on a feature, or `prefix` on a view.",
    ),
    "FC206": Code(
        "a join names a key that the entity does not have",
        "`join` maps keys of the entity to columns: of the source in a view, of the spine in a model. A key that it "
        "leaves out is the column of the same name.",
    ),
    "FC207": Code(
        "one key name has two types",
        "A key name means one thing in a repository, so it has one type. Rename one of the keys; `join` maps it to "
        "its column.",
    ),
    "FC208": Code(
        "a file or function that does not exist",
        "The path is relative to the repository's root.",
    ),
    "FC209": Code(
        "things that need each other in a circle",
        "Each of them waits for the next one. Leave out one of the references.",
    ),
    # Semantics
    "FC301": Code(
        "no such column",
        "The expression or key names a column that is not there. A view sees the columns of its source and of the "
        "source's `select`; `derived` sees the view's features and `asof`; a model's `derived` sees its features and "
        "request columns; both see the derived ones above them.",
    ),
    "FC302": Code(
        "types do not fit",
        "The operation does not take values of these types. `cast(x as float64)` converts one.",
    ),
    "FC303": Code(
        "not an expression of the language",
        "Expressions are row-level SQL: one row in, one value out, the same on every engine. There are no aggregates, "
        "sub-queries, clocks or random numbers in them.",
    ),
    "FC304": Code(
        "an aggregate is not complete",
        "`percentile` needs `q`, `first_n last_n top_k` need `n`, all but `count` need a `column`, an aggregate with "
        "`where` needs a `name`, and a `name` goes with one `op` alone.",
    ),
    "FC305": Code(
        "an aggregate does not take values of this type",
        "`sum` and the statistics take numbers and booleans, `min` and `max` what can be ordered, `any` and `all` "
        "booleans.",
    ),
    "FC306": Code(
        "a default does not fit the type of its feature",
        "A default is a constant of the feature's own type.",
    ),
    "FC307": Code(
        "the clocks of a source or a view contradict each other",
        "A source without `event_time` is static: its rows are always true, so it has no availability and feeds state "
        "views alone. Windows need an `event_time`.",
    ),
    "FC308": Code(
        "a label that can't be",
        "A label is a column of the spine, an expression over the spine's own columns, or an aggregate over a horizon "
        "that begins at the row's time. It never sees features or request columns.",
    ),
    "FC309": Code(
        "a key and its column have different types",
        "The column must hold values of the key's type; cast it in the `select` of the source.",
    ),
    "FC310": Code(
        "a model can't take this column",
        "Inputs of a model are numbers, booleans, times, texts and categories; a list is none of them.",
    ),
    "FC311": Code(
        "a feature test that can't be run",
        "`rows` hold columns of the view's source, `spine` the entity's keys and `time`, `expect` one row for each "
        "row of the spine with columns of the view: at least one column in all, else nothing is compared. A test of a "
        "model expects columns of its training set; its spine has the columns of the model's spine that those are "
        "made of, and its `rows` are a list where all of the model's views read one source, else a mapping from each "
        "source to its rows: `rows: {arrivals: [...], weather: [...]}`.",
    ),
    "FC312": Code(
        "a time column does not hold times",
        "`event_time`, `available_at` and the spine's `time` are timestamps or dates. A text is cast in `select`.",
    ),
    "FC313": Code(
        "a password in a file",
        "Files are kept and shown, and what is applied stands in the registry and in saved plans. Put the password, or "
        "the whole URL, into an environment variable and write ${NAME} in its place; its default is in the file, too. "
        "A parameter of a URL stands in a file when its name is one that its driver needs and that is no secret "
        "(`sslmode`, `warehouse`, `charset`); the value of any other comes from the environment.",
    ),
    **RUN,
    **TRAINERS,
    **STREAMS,
    **CLOCKS,
    "FC353": Code(
        "a refresh that can't meet the SLA",
        "The online values of a view are computed once in a `refresh`, so before the next time they are that old: "
        "with a shorter `error_after` (or `warn_after`) the SLA breaks although all goes as planned. Compute "
        "them more often, or promise less.",
    ),
    "FC354": Code(
        "an old name of a feature",
        "The feature was renamed, and its `aliases` keep the old name answered. Use the new one, so that the alias can "
        "go one day.",
    ),
    "FC362": Code(
        "YAML files of other tools are not read",
        "None of their top-level keys is a list of featurectl, nor nearly one, so they belong to another tool: "
        "`dvc.yaml`, `mkdocs.yml`, a compose file. `files:` in featurectl.yaml lists what is read, and ends the "
        "guessing. Folders that hold `dbt_project.yml`, `Chart.yaml` or `pyvenv.cfg`, or are named `mlruns`, "
        "`node_modules` or `site-packages`, are not looked into.",
    ),
    "FC363": Code(
        "a pattern of `files:` matches no file",
        "A pattern is relative to the root of the repository; `*` matches a part of one name, `**` any number of "
        "folders. `features` alone is a file of that name: write `features/**` for all files below a folder.",
    ),
    "FC364": Code(
        "an alert that can't be measured in the environment",
        "Latencies, error rates, store errors, drift and skew are measured on the prediction log that `serve` writes. "
        "An environment without `prediction_log` has none, so `monitor check` there can't see what the alert is about, "
        "and exits with 1. Give the environment a log, or leave the alert out.",
    ),
    "FC355": Code(
        "an estimator that is not installed here",
        "Nobody can tell whether there is an estimator of this name. It is a note: a model may be trained elsewhere.",
    ),
    **SERVED,
    # Plan
    "FC401": Code(
        "the plan is blocked",
        "Something that a registered model version needs would go away or change. The message says which, and the "
        "option that allows it.",
    ),
    "FC402": Code(
        "not in this version",
        "This part of the language is read and checked, and this version of featurectl does not run it; `apply` "
        "refuses the repository rather than leave it out without a word.",
    ),
    "FC412": Code(
        "an object that is still in use would be removed",
        "A registered model version or another object depends on it. `--allow-remove NAME` removes it all the same.",
    ),
    "FC413": Code(
        "a view that a champion reads would change its values",
        "The new definition makes the next version of the view; the champion stays on the version that it was trained "
        "on, which goes on being materialized beside the new one. `--allow-breaking NAME` says that this is meant; "
        "train the model again to move it to the new version.",
    ),
    "FC414": Code(
        "the files are older than what is applied",
        "The registry knows the commit that was applied last, and that of the files does not contain it: it is an old "
        "checkout, or a branch that was not brought up to date. What was changed there, by somebody else perhaps, "
        "would be undone. Pull, or rebase the branch; `--allow-older` of `plan` and `apply` goes back on purpose.",
    ),
    # Data
    "FC501": Code(
        "a source has no files",
        "Nothing lies at the path of the source (relative to the repository's root), or no file fits the pattern, "
        "which has at most 64 parts; `**` stands for any number of folders and follows no links. Or a table, or a "
        "range of it, is to be made anew (a new column, a file changed in place, no `lookback`), and files are gone or "
        "cut at their beginning: put the rows back, or make it of what there is with `materialize --full`.",
    ),
    "FC502": Code(
        "a file can't be read",
        "It is not of the declared format, may not be read by this user, or is cut short: its last CSV line has fewer "
        "fields than the header. Or a cell (of NDJSON: a line) has more than 16 MiB, unpacked where it is compressed.",
    ),
    "FC503": Code(
        "a column is missing in the data",
        "The definition names a column that the data does not have.",
    ),
    "FC504": Code(
        "a column has the wrong type in the data",
        "Values are cast only when nothing is lost; the message names the column and the first row that can't be, of a "
        'CSV file its line. Times in CSV files are ISO 8601, or as `csv: {timestamp_format: "%Y%m%d"}` says (19970131; '
        '31.01.1997 is `"%d.%m.%Y"`); seconds since 1970 are read by `select: {at: to_timestamp(ts)}`.',
    ),
    "FC505": Code(
        "null keys or times, or keys that are too long",
        "Rows without a key or a time, or with a key of more than 1,024 bytes, are left out and counted.",
    ),
    "FC506": Code(
        "the spine lacks a column",
        "The model needs a key, a request column or the time, and the spine does not have it.",
    ),
    "FC507": Code(
        "a sum is too large for its type",
        "Sums of integers are exact in 64 bits, sums of decimals in 38 digits: one that does not fit is an error, "
        "never a wrapped number. Cast the column to float64 in the source's `select` (a decimal: declare it float64 "
        "under `columns:`), or ask for a shorter window.",
    ),
    "FC508": Code(
        "a source's query fails",
        "The database answers and refuses the query, or the URL names no kind of database. Its own message follows.",
    ),
    "FC509": Code(
        "rows are later than the log of a stream",
        "A training set knows what was known at each instant. The table of a view of a stream has all events up to the "
        "instant that the message names; of later ones some may lie in a partition that is not logged so far. "
        "`featurectl materialize` takes what was logged since. Rows up to that instant can be asked for as they are.",
    ),
    "FC510": Code(
        "a view has no offline table yet, or one without its new features",
        "The view is applied, and nothing was computed for it, or not since features were added: `featurectl "
        "materialize` reads its source and writes the table.",
    ),
    "FC511": Code(
        "a view was never pushed",
        "The online store holds nothing of this version of the view, or was emptied since: `featurectl push` fills it "
        "from the offline table.",
    ),
    "FC518": Code(
        "a check of the data failed",
        "The rows that were read are not as `checks:` say, and nothing was written: the offline table and the online "
        "store keep what they had. Mend the data, or the check; `severity: warn` only tells.",
    ),
    "FC519": Code(
        "the query of a check can't be run",
        "`sql:` of a check is a SELECT over the rows that were read, which are called by the name of the source or "
        "view, or `rows`; it gives the rows that are wrong. Functions that read files, as `read_csv` and "
        "`scan_parquet`, are refused, also in names and comments: rename such a column, or leave the word out.",
    ),
    "FC548": Code(
        "a key or request column is too long",
        "A server takes texts of at most 4,096 characters as keys and request columns: nothing longer is in a store.",
    ),
    "FC520": Code(
        "a training set can't be made again",
        "A manifest, and a model version, pins versions of views and tables, the spine and the definition of its "
        "model; of values as served also the `refresh` of each view. The message says which of them is gone or has "
        "changed; where only the spine of a manifest has moved, --spine says where it is.",
    ),
    "FC521": Code(
        "a transform fails",
        "The Python function of a feature view raised an error; the message names the file, the line and what it said. "
        "The file runs by itself: it can import what is installed, not other files of the repository.",
    ),
    "FC522": Code(
        "a transform returns something else than its view declares",
        "It returns a Polars LazyFrame or DataFrame with the keys, `event_time`, `available_at` and the declared "
        "features in their types; keys and clocks are never null. Other columns are left out.",
    ),
    "FC523": Code(
        "a transform looks ahead",
        "What an entity had at an instant changed when rows were there that came later, so a training set would know "
        "more than a prediction. Each row of the result is made of rows that were available at its `available_at`.",
    ),
    **MODELS,
    # Stores
    "FC535": Code(
        "data outside of the repository",
        "Sources read local files below the repository's root, and in the folders that an environment lists as "
        "`data_roots`: a change to a path must not print what else is on the machine. Add the line that the message "
        "gives, or move the data. Nothing under /proc and /sys is data. Write a path, not a `file:` address.",
    ),
    **STORES,
}
