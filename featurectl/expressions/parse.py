"""Text of an expression -> raw tree, by a Pratt parser of the allow-list grammar.

Source: V. Pratt, Top down operator precedence (1973).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NoReturn

from featurectl.expressions.refused import (
    CLOCK_WORDS,
    REFUSED_AFTER,
    REFUSED_FUNCTIONS,
    REFUSED_PARTS,
    SUB_QUERY,
)
from featurectl.expressions.syntax import MAX_DEPTH, MAX_HEIGHT, MAX_NODES, NodeKind, Raw
from featurectl.expressions.tokens import Token, tokenize
from featurectl.expressions.tree import ExpressionError

# How tightly an operator holds the operand to its left.
_BINDING: Final = {
    "or": 1, "and": 2, "is": 4, "=": 5, "<>": 5, "<": 5, "<=": 5, ">": 5, ">=": 5, "in": 5, "between": 5, "like": 5,
    "not": 5, "||": 6, "+": 7, "-": 7, "*": 8, "/": 8, "%": 8, "::": 10,
}  # fmt: skip
_NOT, _COMPARISON, _SIGN = 3, 5, 9
_BEFORE_BRACKETS: Final = frozenset({"timestamp", "date", "interval", "extract", "cast"})  # keywords that may be names


@lru_cache(maxsize=4_096)
def parse(text: str) -> Raw:
    """Return the raw tree of an expression.

    Raises:
        ExpressionError: it is not in the grammar, uses what is refused by name, or is beyond the limits.

    >>> parse("a + b * 2").args[1].value
    '*'
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokenize(text)
        self.index = 0
        self.token = self.tokens[0]
        self.depth = 0
        self.count = 0

    def parse(self) -> Raw:
        raw = self.expression(0)
        if self.token.kind != "end":
            self.fail("expected an operator or the end")
        return raw

    def fail(self, expected: str) -> NoReturn:
        token = self.token
        refused = REFUSED_AFTER.get(token.value.lower()) if expected.startswith("expected an operator") else None
        if refused and token.kind in ("name", "keyword"):
            raise ExpressionError(refused[0], token.start, token.end, refused[1])
        found = token.value if token.kind == "end" else repr(self.text[token.start : token.end])
        raise ExpressionError(f"{expected}, found {found}", token.start, token.end, self.quoted_hint())

    def quoted_hint(self) -> str:
        """Return how an expression that is words alone is written, if they are a name; "" of another."""
        if len(self.tokens) <= 2 or any(token.kind != "name" for token in self.tokens[:-1]):
            return ""
        return f"a name with a space in it is quoted: '\"{self.text.strip()}\"'"

    def advance(self) -> Token:
        token = self.token
        if token.kind != "end":
            self.index += 1
            self.token = self.tokens[self.index]
        return token

    def at(self, *values: str) -> bool:
        return self.token.kind in ("keyword", "operator") and self.token.value in values

    def take(self, value: str) -> bool:
        """Return whether the next token is this one, and step over it if so."""
        found = self.at(value)
        if found:
            self.advance()
        return found

    def expect(self, value: str) -> Token:
        if not self.at(value):
            self.fail(f"expected {value!r}")
        return self.advance()

    def node(self, kind: NodeKind, value: str, args: tuple[Raw, ...], start: int, end: int) -> Raw:
        self.count += 1
        height = 1 + max([arg.height for arg in args]) if args else 1
        if self.count > MAX_NODES:
            raise ExpressionError(f"more than {MAX_NODES} parts", start, end, "split it into two columns")
        if height > MAX_HEIGHT:
            raise ExpressionError(f"a chain of more than {MAX_HEIGHT} parts", start, end, "split it into two columns")
        return Raw(kind, value, args, start, end, height)

    def expression(self, binding: int) -> Raw:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            message = f"nested more than {MAX_DEPTH} deep"
            raise ExpressionError(message, self.token.start, self.token.end, "split it into two columns")
        left = self.prefix()
        while self.token.kind in ("keyword", "operator") and _BINDING.get(self.token.value, 0) > binding:
            left = self.infix(left)
        self.depth -= 1
        return left

    # After an operand.

    def infix(self, left: Raw) -> Raw:
        token = self.advance()
        if token.value == "is":
            return self.is_test(left)
        if token.value == "::":
            name = self.name("a type")
            return self.node("cast", name.value.lower(), (left,), left.start, name.end)
        if token.value in ("in", "between", "like", "not"):
            return self.membership(left, token)
        right = self.expression(_BINDING[token.value])
        return self.node("operator", token.value, (left, right), left.start, right.end)

    def is_test(self, left: Raw) -> Raw:
        negated = self.take("not")
        if self.at("null", "true", "false"):
            word = self.advance()
            raw = self.node("is", word.value, (left,), left.start, word.end)
            return self.negated(raw) if negated else raw
        if not self.take("distinct"):
            self.fail("expected null, true, false or distinct from")
        self.expect("from")
        right = self.expression(_BINDING["is"])
        raw = self.node("operator", "is not distinct", (left, right), left.start, right.end)
        return raw if negated else self.negated(raw)

    def negated(self, raw: Raw) -> Raw:
        return self.node("not", "", (raw,), raw.start, raw.end)

    def membership(self, left: Raw, token: Token) -> Raw:
        negated = token.value == "not"
        if negated:
            if not self.at("in", "between", "like"):
                self.fail("expected an operator: in, between or like after not")
            token = self.advance()
        if token.value == "in":
            args, end = self.arguments(self.expect("("))
            if not args:
                raise ExpressionError("in () is never true", token.start, end, "list at least one literal")
            raw = self.node("in", "", (left, *args), left.start, end)
        elif token.value == "between":
            low = self.expression(_COMPARISON)
            self.expect("and")
            high = self.expression(_COMPARISON)
            raw = self.node("between", "", (left, low, high), left.start, high.end)
        else:
            pattern = self.expression(_COMPARISON)
            raw = self.node("like", "", (left, pattern), left.start, pattern.end)
        return self.negated(raw) if negated else raw

    # An operand.

    def prefix(self) -> Raw:
        token = self.token
        match token.kind:
            case "number" | "string":
                self.advance()
                return self.node(token.kind, token.value, (), token.start, token.end)
            case "quoted":
                self.advance()
                return self.node("column", token.value, (), token.start, token.end)
            case "name":
                return self.word()
            case "keyword":
                return self.keyword()
            case "operator" if token.value == "(":
                return self.bracket()
            case "operator" if token.value in ("-", "+"):
                return self.signed()
        return self.fail("expected a value")

    def signed(self) -> Raw:
        sign = self.advance()
        raw = self.expression(_SIGN)
        if sign.value == "+":
            return raw
        if raw.kind == "number":  # so that the least int64 can be written
            value = raw.value[1:] if raw.value.startswith("-") else f"-{raw.value}"
            return raw._replace(value=value, start=sign.start)
        return self.node("negative", "", (raw,), sign.start, raw.end)

    def bracket(self) -> Raw:
        start = self.advance().start
        raw = self.expression(0)
        end = self.expect(")").end
        return raw._replace(start=start, end=end) if raw.args else raw

    def keyword(self) -> Raw:
        token = self.token
        match token.value:
            case "not":
                self.advance()
                raw = self.expression(_NOT)
                return self.node("not", "", (raw,), token.start, raw.end)
            case "true" | "false":
                self.advance()
                return self.node("boolean", token.value, (), token.start, token.end)
            case "null":
                self.advance()
                return self.node("null", "", (), token.start, token.end)
            case "case":
                return self.case()
            case word if word in _BEFORE_BRACKETS:
                return self.word()
            case _:
                hint = f'a column of that name is written "{token.value}"'
                raise ExpressionError(f"{token.value!r} is an SQL keyword here", token.start, token.end, hint)

    def case(self) -> Raw:
        start = self.advance().start
        subject = () if self.at("when") else (self.expression(0),)
        branches: list[Raw] = []
        while self.take("when"):
            branches.append(self.expression(0))
            self.expect("then")
            branches.append(self.expression(0))
        if not branches:
            self.fail("expected when")
        otherwise = self.expression(0) if self.take("else") else None
        end = self.expect("end").end
        last = otherwise or self.node("null", "", (), end - 3, end)
        return self.node("simple_case" if subject else "case", "", (*subject, *branches, last), start, end)

    def word(self) -> Raw:
        """A column, a call, or a literal that starts with its type."""
        token = self.advance()
        word, after = self.text[token.start : token.end], self.token
        if token.value in ("timestamp", "date") and token.kind == "keyword" and after.kind == "string":
            end = self.advance().end
            return self.node("date" if token.value == "date" else "timestamp", after.value, (), token.start, end)
        if token.value == "interval" and after.kind in ("string", "number"):
            return self.interval(token.start)
        if self.at("("):
            return self.call(word.lower(), token)
        self.refuse_word(word.lower(), token)
        return self.node("column", word, (), token.start, token.end)

    def refuse_word(self, word: str, token: Token) -> None:
        query = word in ("select", "with") and self.token.kind in ("name", "number", "string", "quoted")
        if query or (word == "select" and self.at("*", "distinct", "case", "null", "not")):
            raise ExpressionError("a sub-query is not allowed in an expression", token.start, token.end, SUB_QUERY)
        if word in CLOCK_WORDS:
            hint = REFUSED_FUNCTIONS[word]
            raise ExpressionError(f"{word} is not allowed in an expression", token.start, token.end, hint)

    def interval(self, start: int) -> Raw:
        length = self.advance()
        text, end = length.value, length.end
        if self.token.kind == "name":
            unit = self.advance()
            text, end = f"{text} {unit.value}", unit.end
        return self.node("interval", text, (), start, end)

    def call(self, name: str, token: Token) -> Raw:
        if hint := REFUSED_FUNCTIONS.get(name):
            raise ExpressionError(f"{name}() is not allowed in an expression", token.start, token.end, hint)
        bracket = self.expect("(")
        if name == "cast":
            operand = self.expression(0)
            self.expect("as")
            dtype = self.name("a type").value.lower()
            return self.node("cast", dtype, (operand,), token.start, self.expect(")").end)
        if name == "extract":
            part = self.name("a part")
            if hint := REFUSED_PARTS.get(part.value.lower()):
                raise ExpressionError(f"extract({part.value.lower()}) is refused", part.start, part.end, hint)
            self.expect("from")
            operand = self.expression(0)
            return self.node("extract", part.value.lower(), (operand,), token.start, self.expect(")").end)
        args, end = self.arguments(bracket)
        return self.node("call", name, args, token.start, end)

    def arguments(self, bracket: Token) -> tuple[tuple[Raw, ...], int]:
        """Return what stands between an opening bracket and its closing one, and where that ends."""
        if self.at(")"):
            return (), self.advance().end
        args = [self.expression(0)]
        while self.take(","):
            args.append(self.expression(0))
        if self.token.kind == "end":
            raise ExpressionError("this bracket is never closed", bracket.start, bracket.end, "close it with )")
        return tuple(args), self.expect(")").end

    def name(self, what: str) -> Token:
        if self.token.kind not in ("name", "keyword"):
            self.fail(f"expected {what}")
        return self.advance()
