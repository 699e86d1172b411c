"""One YAML file -> nodes with places, and problems for everything that the language does without.

Made from parser events, not from PyYAML's own nodes: anchors, aliases, tags and a second document are seen where
they stand, and nothing is built that would have to be refused later.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from featurectl.language.problems.report import Report
from featurectl.language.syntax.commas import join_cut_expressions
from featurectl.language.syntax.node import Fields, File, Items, Node, ScalarNode, Span, scalar_value
from featurectl.language.syntax.place import Place

MAX_BYTES: Final = 5_000_000
MAX_DEPTH: Final = 32
MAX_TEXT: Final = 10_000  # characters of a key or a value
MAX_LONG_TEXT: Final = 100_000  # of one that may be a document
_SHOWN_TEXT: Final = 40  # characters of one that is too long
_LONG_KEYS: Final = frozenset({"query", "sql", "description"})
MAX_EVENTS: Final = 1_000_000  # keys, values, and beginnings and ends of lists and mappings: some 300 bytes each
_NEVER: Final = re.compile("[\x00\ud800-\udfff]")  # in no path, and in no text of a database
_LOADER: Final[type] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _RefusedError(Exception):
    """The rest of the file can't be read; the problem is reported already."""


@dataclass(slots=True)
class _Open:
    """A sequence or mapping that is being read."""

    span: Span
    mapping: bool
    flow: bool
    nodes: list[Node] = field(default_factory=list)
    keys: list[ScalarNode | None] = field(default_factory=list)
    expects_key: bool = True


def read_text(path: str, content: bytes, report: Report) -> str | None:
    """Return the text of a file's bytes, or None when they are no text of a permitted size."""
    if len(content) > MAX_BYTES:
        size = f"{len(content) / 1_000_000:.1f} MB"
        report.error("FC001", f"the file is {size}; at most 5 MB are read", Place(path))
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        begin = content.rfind(b"\n", 0, error.start) + 1
        column = len(content[begin : error.start].decode("utf-8-sig", "replace")) + 1
        byte = content[error.start]
        report.error("FC001", f"the file is not UTF-8: byte 0x{byte:02x}", Place(path, line, column, column + 1))
        return None


def read_nodes(file: File, report: Report) -> Node | None:
    """Return what a file holds, or None when it is empty or can't be read; problems go to the report."""
    try:
        return _Reader(file, report).read()
    except _RefusedError:
        return None
    except yaml.reader.ReaderError as error:
        position = max(file.text.find(chr(error.character)), 0) if isinstance(error.character, int) else 0
        message = f"the character U+{ord(file.text[position]):04X} is not allowed in YAML"
        report.error("FC002", message, file.place(position, position + 1))
    except yaml.MarkedYAMLError as error:
        _report_syntax(file, report, error)
    return None


def _report_syntax(file: File, report: Report, error: yaml.MarkedYAMLError) -> None:
    mark = error.problem_mark or error.context_mark
    index = min(mark.index if mark else 0, len(file.text))
    while index and (index >= len(file.text) or file.text[index] in "\r\n"):
        index -= 1  # a place that can be seen: the end of the last line that holds something
    message = f"not YAML: {error.problem or 'can not be read'}"
    if error.context:
        message += f" {error.context}"
        if error.context_mark:
            message += f" that begins in line {error.context_mark.line + 1}"
    char = file.text[index : index + 1]
    note = f"a value that begins with {char} must be quoted" if char and char in "`@%&*!" else ""
    if char == "\t":
        note = "YAML is indented by spaces, not by tabs"
    elif error.context == "while scanning an alias":
        note = 'a value that begins with * must be quoted: "*"'
    elif "did not find expected ','" in message:
        note = "a bracket is not closed, or a value in it that holds a comma or begins with a quote is not quoted"
    report.error("FC002", message, file.place(index, index + 1), note=note)


class _Reader:
    """Builds nodes from the events of one file."""

    def __init__(self, file: File, report: Report) -> None:
        self._file = file
        self._report = report
        self._stack: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def read(self) -> Node | None:
        for number, event in enumerate(_events(self._file.text)):
            if number >= MAX_EVENTS:
                message = f"the file holds more than {MAX_EVENTS:,} keys, values and brackets; cut it up"
                self._report.error("FC001", message, Place(self._file.path))
                return None
            self._take(event)
        return self._root

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._close(event)
            case yaml.AliasEvent():
                note = "write the value out, or quote the text"
                self._refuse(event, f"an alias (*{event.anchor}) is not allowed", note)
                raise _RefusedError
            case yaml.DocumentStartEvent():
                self._begin_document(event)

    def _begin_document(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > 1:
            self._refuse(event, "a second document in one file is not allowed", "write it into a file of its own")
            raise _RefusedError

    def _span(self, event: yaml.Event) -> Span:
        assert event.start_mark is not None
        assert event.end_mark is not None
        return Span(self._file, event.start_mark.index, event.end_mark.index)

    def _refuse(self, event: yaml.Event, message: str, note: str) -> None:
        self._report.error("FC005", message, self._span(event).place, note=note)

    def _refuse_word(self, event: yaml.Event, message: str, note: str) -> None:
        """Report the word at the beginning of an event alone, not all that belongs to it."""
        span = self._span(event)
        word = re.match(r"[^\s,\[\]{}]+", self._file.text[span.start : span.start + 200])
        end = span.start + len(word[0]) if word else span.end
        self._report.error("FC005", message, self._file.place(span.start, end), note=note)

    def _properties(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.anchor is not None:
            self._refuse_word(
                event, f"an anchor (&{event.anchor}) is not allowed", "write the value out, or quote the text"
            )
        if event.tag is not None:
            name = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse_word(event, f"a tag ({name}) is not allowed", "leave it out, or quote the text")

    def _check_length(self, scalar: ScalarNode, top: _Open | None) -> None:
        """Report FC109 for a text that is longer than any of its kind, and leave the rest of the file unread."""
        key = top.keys[-1] if top is not None and top.mapping and not top.expects_key else None
        long = key is not None and key.text in _LONG_KEYS
        most = MAX_LONG_TEXT if long else MAX_TEXT
        if len(scalar.text) > most:
            message = f"a text of {len(scalar.text):,} characters; at most {most:,} are read here"
            note = f"{', '.join(sorted(_LONG_KEYS))} may have {MAX_LONG_TEXT:,}" if not long else ""
            begin = scalar.span.start
            place = self._file.place(begin, min(begin + _SHOWN_TEXT, scalar.span.end))
            self._report.error("FC109", message, place, note=note)
            raise _RefusedError

    def _check_characters(self, scalar: ScalarNode) -> None:
        """Report FC010 for a character that can stand in a text only as an escape, and that nothing else can hold."""
        found = _NEVER.search(scalar.text) if scalar.style == '"' else None
        if found is not None:
            message = f"the character U+{ord(found[0]):04X} is not allowed in a text"
            self._report.error("FC010", message, scalar.span.place)
            raise _RefusedError

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._properties(event)
        style = event.style or ""
        style = "" if style == ":" else style
        value = event.value if style else scalar_value(event.value)
        text = event.value
        if not text and not style and event.anchor is not None:  # `owner: &ops`: the text is meant
            text = value = f"&{event.anchor}"
        scalar = ScalarNode(text, value, self._span(event), style)
        top = self._stack[-1] if self._stack else None
        self._check_length(scalar, top)
        self._check_characters(scalar)
        if top is not None and top.mapping and top.expects_key:
            merge = scalar.text == "<<" and not style
            if merge:
                self._refuse(event, "a merge key (<<) is not allowed", "write the keys out")
            top.keys.append(None if merge else scalar)
            top.expects_key = False
        else:
            self._add(scalar)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        self._properties(event)
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(event, f"more than {MAX_DEPTH} levels of nesting are not allowed", "")
            raise _RefusedError
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Open(span=self._span(event), mapping=mapping, flow=bool(event.flow_style)))

    def _close(self, event: yaml.Event) -> None:
        top = self._stack.pop()
        if top.flow:
            top.span = Span(self._file, top.span.start, self._span(event).end)
        node = self._fields(top) if top.mapping else Items(tuple(top.nodes), top.span)
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self._root = node
            return
        top = self._stack[-1]
        if top.mapping and top.expects_key:
            message = "a key must be a text, not a list or a mapping"
            self._report.error("FC101", message, node.span.place, note="a value with { or [ in it must be quoted")
            top.keys.append(None)
            top.expects_key = False
            return
        top.nodes.append(node)
        top.expects_key = True

    def _fields(self, top: _Open) -> Fields:
        pairs = [(k, v) for k, v in zip(top.keys, top.nodes, strict=True) if k is not None]
        if top.flow:
            pairs = join_cut_expressions(pairs, self._report)
        nodes: dict[str, Node] = {}
        keys: dict[str, Span] = {}
        for key, value in pairs:
            if key.text in nodes:
                first = keys[key.text].place
                message = f'the key "{key.text}" stands twice in one mapping'
                self._report.clash("FC004", message, key.span.place, (first, "it stands here first"))
            else:
                nodes[key.text], keys[key.text] = value, key.span
        return Fields(nodes, keys, top.span)


def _events(text: str) -> Iterator[yaml.Event]:
    loader = _LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()
