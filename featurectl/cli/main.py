"""The entry point: parse, run, draw, exit. The only place that knows exit codes and catches every exception."""

from __future__ import annotations

import gc
import io
import json
import math
import os
import sys
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from typer.exceptions import Abort, Exit, TyperException

from featurectl.cli.all_commands import COMMANDS, build_parser
from featurectl.cli.command_line import CommandLine, read_command_line
from featurectl.cli.shared.call import WHOLE, Call, Invocation, Outcome
from featurectl.cli.shell_completion import complete_line, is_completing
from featurectl.core.errors import (
    BusyStoreError,
    FeaturectlError,
    ProblemsError,
    StoreError,
    TryAgainError,
    UsageError,
)
from featurectl.core.nearest import nearest
from featurectl.render.error import error_json
from featurectl.workspace.redaction import Hide, hiding_secrets

if TYPE_CHECKING:
    from typer import Context

FINE = (0, 2)  # 2: a valid plan with changes
FOUND_PROBLEMS, USAGE, UNAVAILABLE, BUG, TRY_AGAIN, INTERRUPTED = 1, 64, 69, 70, 75, 130
_GRAVITY = (UNAVAILABLE, USAGE, FOUND_PROBLEMS, TRY_AGAIN)  # of failures that one command has met, the gravest first
_JSON = (("-o", "json"), ("--output", "json"))
_YOUNG_OBJECTS = 20_000  # new ones, between two searches for cycles among them; Python's own number is 700
_YOUNG_SEARCHES = 1_000  # for cycles, between two among the oldest objects; Python's own number is 10
_PANIC = "PanicException"  # of Polars, which is loaded by then; it is no Exception
_BOUNDS = ("greater_than_equal", "less_than_equal")  # of numbers, as pydantic names them
_NO_COMMAND = "No such command "  # as the parser says it
_TOO_MANY = "Got unexpected extra argument"
_OPTIONS_BEHIND = "options of one command stand behind it: featurectl status --as-of TIME"
_FITS = "train"  # the one command that multiplies matrices: numpy starts threads for that when it is loaded


def exit_code_of(error: FeaturectlError) -> int:
    """Return the exit code of an error, as the command line reference lists them."""
    match error:
        case UsageError():
            return USAGE
        case TryAgainError() | BusyStoreError():
            return TRY_AGAIN
        case StoreError():
            return UNAVAILABLE
        case _:
            return FOUND_PROBLEMS


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; never raises."""
    words = list(sys.argv[1:] if argv is None else argv)
    with hiding_secrets(words) as hide:
        return _main(words, hide)


def _main(words: Sequence[str], hide: Hide) -> int:
    if is_completing(os.environ):
        return complete_line(os.environ)
    line = read_command_line(words)
    ordered = line.in_order()
    try:
        parsed = build_parser(ordered)(ordered, standalone_mode=False)
    except TyperException as error:
        if error.format_message().startswith("Usage: "):  # a group without a command answers with its help
            return _which_command(words, line, error.format_message(), hide)
        return _reject(words, line, _usage_error(error), hide)
    except UsageError as error:
        return _reject(words, line, error, hide)
    except (Abort, KeyboardInterrupt):
        return INTERRUPTED
    except Exit as error:
        return error.exit_code
    except OSError as error:  # only help and completion are written while parsing
        return _unwritable(error)
    if not isinstance(parsed, Invocation):
        return parsed if isinstance(parsed, int) else 0
    return _execute(parsed, hide)


def _execute(invocation: Invocation, hide: Hide) -> int:
    call = invocation.call
    begin = time.perf_counter()
    try:
        outcome = _with_failures(call, invocation.run())
    except FeaturectlError as error:
        outcome = _failed(call, error)
    except (Abort, KeyboardInterrupt):
        _say("interrupted\n")
        outcome = Outcome(exit_code=INTERRUPTED, result={"error": {"code": "", "message": "interrupted", "hint": ""}})
    except BrokenPipeError:
        _close_stdout()
        return FOUND_PROBLEMS
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != _PANIC:
            raise
        outcome = _crashed(call, error, hide)  # a bug of ours: two lines for the user, the rest into a file
    finally:
        call.progress.done("")  # a unit that failed is no longer running
    code = _draw(replace(call, repo=outcome.root or call.repo), _hidden(outcome, hide))
    if call.verbose:
        _say(f"{call.command}: {time.perf_counter() - begin:.2f} s, at most {_peak_memory_mb():.0f} MB of memory")
    return code


def _peak_memory_mb() -> float:
    """Return the largest resident size of this process so far (macOS counts bytes, Linux kilobytes)."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _failed(call: Call, error: FeaturectlError) -> Outcome:
    if call.debug:
        traceback.print_exc()
    code = exit_code_of(error)
    if isinstance(error, ProblemsError):
        return Outcome(exit_code=code, problems=error.problems)  # type: ignore[arg-type]  # all that it is raised with
    if call.output != "json":
        _say(_error_text(error))
    return Outcome(exit_code=code, result={"error": error_json(error)})


def _with_failures(call: Call, outcome: Outcome) -> Outcome:
    """Say what parts of a command failed of, each error once, and return the outcome with the gravest in its result."""
    if not outcome.failures:
        return outcome
    from featurectl.render.visible import in_one_line

    parts: dict[str, list[str]] = {}
    for failure in outcome.failures:
        if call.debug:
            traceback.print_exception(failure.error)
        parts.setdefault(_error_text(failure.error), []).append(failure.part)
    if call.output != "json":
        for text, names in parts.items():
            _say(f"{text}  = affects {in_one_line(', '.join(names))}")
    gravest = min((f.error for f in outcome.failures), key=lambda error: _GRAVITY.index(exit_code_of(error)))
    result = {**outcome.result, "error": error_json(gravest)}
    return replace(outcome, exit_code=exit_code_of(gravest), result=result)


def _crashed(call: Call, error: BaseException, hide: Hide) -> Outcome:
    from featurectl.language.syntax.own_files import why_no_output
    from featurectl.render.visible import in_one_line

    if call.debug:
        traceback.print_exc()
    folder = (call.repo or Path.cwd()) / ".featurectl"
    log = folder / f"crash-{datetime.now(UTC):%Y%m%dT%H%M%S}.log"
    where = "run it again with --debug for the details"
    with suppress(OSError):
        if not why_no_output(log):
            folder.mkdir(exist_ok=True)
            log.write_text(hide(traceback.format_exc()))
            where = f"the details are in {log}"
    summary = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    _say(f"error: this is a fault of featurectl, not yours: {in_one_line(summary)}\n{in_one_line(where)}\n")
    return Outcome(exit_code=BUG, result={"error": {"code": "", "message": summary, "hint": where}})


def _hidden(outcome: Outcome, hide: Hide) -> Outcome:
    """Return an outcome whose error is without secrets; what was asked for is left as it is."""
    error = outcome.result.get("error")
    if not isinstance(error, dict):
        return outcome
    return replace(outcome, result={**outcome.result, "error": {name: hide(text) for name, text in error.items()}})


def _reject(words: Sequence[str], line: CommandLine, error: UsageError, hide: Hide) -> int:
    """Say what is wrong with a command line that can't be parsed, in the form that it asks for."""
    if not _wants_json(words):
        _say(_error_text(error))
        return USAGE
    outcome = _hidden(Outcome(exit_code=USAGE, result={"error": error_json(error)}), hide)
    return _written(_document(hide(line.command), outcome, []), USAGE)


def _which_command(words: Sequence[str], line: CommandLine, text: str, hide: Hide) -> int:
    """Answer a group without a command with its help, or in JSON with an error."""
    if _wants_json(words):
        name = f"featurectl {line.command}".rstrip()
        return _reject(words, line, UsageError(f"{name}: which command?", hint=f"{name} --help lists them"), hide)
    _say(text)
    return USAGE


def _wants_json(words: Sequence[str]) -> bool:
    return not {"-ojson", "--output=json"}.isdisjoint(words) or any(pair in _JSON for pair in pairwise(words))


def _usage_error(error: TyperException) -> UsageError:
    """Return the parser's error as ours, with the nearest of the options or commands that it offers."""
    name, context = getattr(error, "option_name", ""), getattr(error, "ctx", None)
    text = " ".join(error.format_message().split())
    if context is not None and text.startswith(_NO_COMMAND):
        word = text.removeprefix(_NO_COMMAND).strip("'.")
        return UsageError(f"{_NO_COMMAND}{word!r}", hint=_command_hint(word, context.command.commands))
    if (bounds := _out_of_bounds(error)) is not None:
        return bounds
    if not hasattr(error, "possibilities"):
        return UsageError(text, hint=_usage(context) if context is not None and text.startswith(_TOO_MANY) else "")
    if near := nearest(name, getattr(error, "possibilities", None) or ()):
        return UsageError(f"No such option: {name}", hint=f"did you mean {near}?")
    before = context is not None and context.parent is None
    return UsageError(f"No such option: {name}", hint=_OPTIONS_BEHIND if before else "")


def _out_of_bounds(error: TyperException) -> UsageError | None:
    """Return the error of a number that an option does not take, with the bounds of it; None: it is another one."""
    param, errors = getattr(error, "param", None), getattr(error.__cause__, "errors", None)
    found: list[dict[str, object]] = errors() if errors else []
    if param is None or not found or found[0].get("type") not in _BOUNDS:
        return None
    hint = f"{param.min} or more" if param.max is None else f"{param.min} to {param.max}"
    return UsageError(f"{param.opts[0]} {found[0]['input']} is not within bounds", hint=hint)


def _usage(context: Context) -> str:
    """Return how a command is written, in one line."""
    words = " ".join(context.get_usage().split()).removeprefix("Usage: ")
    return words.replace(context.find_root().command_path, "featurectl", 1)


def _command_hint(word: str, offered: Iterable[str]) -> str:
    """Return which command was meant: one that is spelled alike, or that has the word as the last of its name."""
    if near := nearest(word, offered):
        return f'did you mean "{near}"?'
    whole = next((name for name in COMMANDS if name.split()[-1] == word), "")
    return f"did you mean featurectl {whole}?" if whole else "featurectl --help lists them"


def _error_text(error: FeaturectlError) -> str:
    from featurectl.render.visible import in_one_line

    code = f"[{error.code}]" if error.code else ""
    hint = f"  = {in_one_line(error.hint)}\n" if error.hint else ""
    return f"error{code}: {in_one_line(error.message)}\n{hint}"


def _draw(call: Call, outcome: Outcome) -> int:
    from featurectl.cli.render.problems import problems_json, render_problems
    from featurectl.cli.render.shown_text import shown_text
    from featurectl.core.markdown import fenced

    code = outcome.exit_code
    if call.output == "json":
        document = _document(call.command, outcome, problems_json(outcome.problems, call))
        return _written(document, code)
    drawn = outcome.text if call.output == "text" else outcome.drawings.get(call.output, "")
    if outcome.problems and not (drawn and call.output in WHOLE):
        text = render_problems(outcome.problems, call)
        if call.output == "text":
            _say(shown_text(text, call, sys.stderr))
        else:
            text = fenced(text.rstrip("\n")) if call.output == "markdown" else text
            drawn = "\n".join(part.rstrip("\n") for part in (text, drawn) if part)
    return _written(drawn if call.output in WHOLE else shown_text(drawn, call, sys.stdout, outcome.text_is), code)


def _document(command: str, outcome: Outcome, problems: list[dict[str, object]]) -> str:
    document = {
        "schema_version": 2,
        "command": command,
        "ok": outcome.exit_code in FINE,
        "exit_code": outcome.exit_code,
        "problems": problems,
        "result": outcome.result,
    }
    ascii_alone = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"
    try:
        return json.dumps(document, indent=2, ensure_ascii=ascii_alone, default=str, allow_nan=False)
    except ValueError:  # NaN and infinities are no JSON
        return json.dumps(_without_nan(document), indent=2, ensure_ascii=ascii_alone, default=str)


def _without_nan(value: object) -> object:
    """Return a document with null for numbers that JSON has not."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _written(text: str, code: int) -> int:
    """Write the result to stdout and return the exit code: the given one, unless stdout can't be written."""
    if not text or sys.stdout is None:  # None: the caller has closed it
        return code
    try:
        sys.stdout.write(_encodable(text if text.endswith("\n") else text + "\n", sys.stdout))
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough
        _close_stdout()
    except OSError as error:
        return _unwritable(error)
    return code


def _unwritable(error: OSError) -> int:
    _close_stdout()
    from featurectl.core.disk_room import write_failure

    failure = write_failure("stdout can't be written", error)
    _say(f"error: {failure}\n")
    return exit_code_of(failure)


def _say(text: str) -> None:
    """Write to stderr, in lines that fit; when nobody can read it, the command goes on."""
    from featurectl.render.screen import fit_text, screen_width

    text = fit_text(text, screen_width(sys.stderr))
    with suppress(OSError, AttributeError):
        sys.stderr.write(_encodable(text if text.endswith("\n") else text + "\n", sys.stderr))
        sys.stderr.flush()


def _encodable(text: str, stream: TextIO) -> str:
    """Return a text as a stream can hold it: other characters, and bytes of file names that are no text, as escapes."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _close_stdout() -> None:
    """Let what is still buffered for stdout go nowhere, so that the interpreter does not fail on it when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def entry() -> None:
    """Run the process's command line and exit with its code."""
    gc.set_threshold(_YOUNG_OBJECTS, gc.get_threshold()[1], _YOUNG_SEARCHES)  # a repository lives long, and is large
    if _FITS not in sys.argv[1:]:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        _write_any(stream)
    code = main()
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    gc.freeze()  # a last search would find what ends with the process
    sys.exit(code)


def _write_any(stream: TextIO | None) -> None:
    """Let a stream write any character: one that its encoding lacks, of a name of a file, is escaped."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def _let_go(stream: TextIO | None) -> None:
    """Flush a stream; what nobody reads goes nowhere, so that the interpreter does not fail on it when it ends."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
