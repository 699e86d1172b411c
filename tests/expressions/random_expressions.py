"""Random well-typed expressions, as text, and hostile rows for them."""

import random

COLUMNS = {
    "i": "int64", "j": "int64", "k": "int64", "x": "float64", "y": "float64", "z": "float64", "s": "string",
    "u": "string", "b": "bool", "c": "bool", "t": "timestamp", "t2": "timestamp", "d": "date", "e": "date",
}  # fmt: skip
TYPES = ["bool", "int64", "float64", "string", "timestamp", "date"]
OF_TYPE = {dtype: [name for name, other in COLUMNS.items() if other == dtype] for dtype in TYPES}

INTS = [0, 1, -1, 2, 3, 7, -7, 10, 49, 100, 2**31, -(2**31), 2**53, 2**53 + 1, 2**62, 2**63 - 1, -(2**63), 1 - 2**63]
FLOATS = [
    0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 0.2, 0.3, 3.14159, 1e-300, 5e-324, 1e300, -1e300, 49.0,
    1.7976931348623157e308, 2.0**52, 2.0**53, 9.3e18, -9.3e18, 0.49999999999999994, 2.675, 1.005, 123456.789,
    float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
TEXTS = [
    "", "a", "A", "Ab c", " é ", "ß", "İ", "ΑΣ", "x\ny", "a\n", "12", "12\n", "-7", " 12 ", "+5", "1.5", "1e3", "abc%",
    "a_b", "日本語", "😀z", "true", "9223372036854775808", "-9223372036854775808", "0x10", ".5", "5.", "inf", "nan",
    "--1", "\u00a0x", "ǆ", "0" * 99 + "7", "0" * 100 + "7", "1e400", "1e-400", "٣", "aaab", "a.b", "\\", "^a$",
    "2024-02-29", "2023-02-29", "2024-02-29 12:30", "2024-02-29T12:30:45.123456789+02:00", "0000-01-01", "9999-12-31",
]  # fmt: skip
CLOCKS = ["' 09:30'", "'T23:59:59.9999999Z'", "' 24:00'", "'T00:00+14:00'", "' 23:59:59-12'", "s", "(' 12:30' || u)"]
US = [0, -1, 1, 86_399_999_999, 86_400_000_000, -86_400_000_000, 951_782_400_000_000, 1_709_251_199_999_999]
US += [-62_135_596_800_000_000, 253_402_300_799_999_999, 2**63 - 1, -(2**63)]  # the years 1 and 9999, and far outside
DAYS = [0, -1, 1, 59, 60, 11_016, 19_782, -719_162, 2_932_896, 2**31 - 1, -(2**31)]


def random_row(rng):
    return [random_value(rng, dtype) for dtype in COLUMNS.values()]


def random_value(rng, dtype):
    if rng.random() < 0.15:
        return None
    hostile = rng.random() < 0.5
    match dtype:
        case "int64":
            return rng.choice(INTS) if hostile else rng.randint(-20, 20)
        case "float64":
            return rng.choice(FLOATS) if hostile else round(rng.uniform(-100, 100), 3)
        case "string":
            return rng.choice(TEXTS)
        case "bool":
            return hostile
        case "timestamp":
            return rng.choice(US) if hostile else rng.randint(-2_208_988_800_000_000, 7_258_118_400_000_000)
        case "date":
            return rng.choice(DAYS) if hostile else rng.randint(-25_567, 84_005)


class RandomExpression:
    """Writes expressions of a wanted type; with `libm` exp, ln, log1p and power are among them."""

    def __init__(self, rng, libm):
        self.rng = rng
        self.libm = libm

    def write(self, dtype, depth):
        if depth <= 0 or self.rng.random() < 0.12:
            return self.leaf(dtype)
        if self.rng.random() < 0.2 and dtype != "duration":
            return self.branching(dtype, depth - 1)
        return getattr(self, dtype)(depth - 1)

    def leaf(self, dtype):
        if dtype == "duration":
            return self.rng.choice(["interval '1 day'", "interval '90 minutes'", "(t - t2)", "interval '2 weeks'"])
        if self.rng.random() < 0.7:
            return self.rng.choice(OF_TYPE[dtype])
        return self.rng.choice(
            {
                "bool": ["true", "false", "null::bool"],
                "int64": ["0", "1", "2", "3", "7", "10", "100", "9223372036854775807", "(-9223372036854775807 - 1)"],
                "float64": ["0.0", "1.0", "0.5", "2.5", "1e300", "0.1", "49.0", "1.8", "1e-300", "-1.0"],
                "string": ["'a'", "'A'", "''", "'12'", "' '", "'é'", "'it''s'", "cast(null as string)"],
                "timestamp": ["timestamp '2024-02-29 12:30:00'", "timestamp '1969-12-31T23:59:59.999999Z'"],
                "date": ["date '2024-02-29'", "date '0001-01-01'"],
            }[dtype]
        )

    def branching(self, dtype, depth):
        a, b, c = (self.write(dtype, depth) for _ in range(3))
        condition = self.write("bool", depth)
        forms = [
            f"case when {condition} then {a} when {self.write('bool', depth)} then {b} else {c} end",
            f"case when {condition} then {a} end",
            f"case {self.write('int64', depth)} when {self.rng.randint(0, 3)} then {a} when 2 then {b} else {c} end",
            f"if({condition}, {a}, {b})",
            f"coalesce({a}, {b})",
            f"ifnull({a}, {b})",
            f"nullif({a}, {b})",
        ]
        return self.rng.choice(forms)

    def number(self, depth):
        return self.write(self.rng.choice(["int64", "float64"]), depth)

    def date_part(self):
        return self.rng.choice(["year", "quarter", "month", "week", "day", "doy", "isodow"])

    def bool(self, depth):
        kind = self.rng.choice(TYPES)
        a, b = self.write(kind, depth), self.write(kind, depth)
        text, truth = self.write("string", depth), self.write("bool", depth)
        pattern = self.rng.choice(["%a%", "a%", "_", "%_b", "%", "x_y", "a.%", "", "%é%", "A%c", "a%b%", "^a$", "%\n"])
        forms = [
            f"({a} {self.rng.choice(['=', '<>', '!=', '<', '<=', '>', '>='])} {b})",
            f"({self.number(depth)} {self.rng.choice(['=', '<', '>='])} {self.number(depth)})",
            f"({a} is {self.rng.choice(['', 'not '])}distinct from {b})",
            f"({a} is {self.rng.choice(['', 'not '])}null)",
            f"({truth} is {self.rng.choice(['true', 'false', 'not true', 'not false'])})",
            f"({truth} {self.rng.choice(['and', 'or'])} {self.write('bool', depth)})",
            f"({truth} {self.rng.choice(['and', 'or'])} {self.write('bool', depth)})",
            f"(not {truth})",
            f"({self.write('int64', depth)} {self.rng.choice(['', 'not '])}in (1, 2, 7))",
            f"({self.number(depth)} in (0.5, 1, 49))",
            f"({text} in ('a', '12', 'é'))",
            f"({self.write('date', depth)} in (date '1970-01-01', date '2000-02-29'))",
            f"({self.number(depth)} between {self.number(depth)} and {self.number(depth)})",
            f"({text} {self.rng.choice(['', 'not '])}like '{pattern}')",
            f"{self.rng.choice(['starts_with', 'ends_with', 'contains'])}({text}, '{self.rng.choice('aé')}')",
            f"cast({self.write('int64', depth)} as bool)",
            f"({self.write('duration', depth)} > {self.write('duration', depth)})",
        ]
        return self.rng.choice(forms)

    def int64(self, depth):
        a, b = self.write("int64", depth), self.write("int64", depth)
        forms = [
            *(f"({a} {operator} {b})" for operator in "+-*%"),
            f"div({a}, {b})",
            f"mod({a}, {b})",
            f"{self.rng.choice(['abs', 'sign'])}({a})",
            f"length({self.write('string', depth)})",
            f"cast({self.write(self.rng.choice(['float64', 'bool', 'string']), depth)} as int64)",
            f"extract({self.date_part()} from {self.write('date', depth)})",
            f"extract({self.rng.choice(['hour', 'minute', 'second'])} from {self.write('timestamp', depth)})",
            f"extract({self.date_part()} from {self.write('timestamp', depth)})",
            f"{self.rng.choice(['greatest', 'least'])}({a}, {b}, {self.write('int64', depth)})",
            f"(- {a})",
        ]
        return self.rng.choice(forms)

    def float64(self, depth):
        a, b = self.write("float64", depth), self.number(depth)
        forms = [
            *(f"({b} {operator} {a})" for operator in "+-*/"),
            f"({b} / {self.number(depth)})",
            f"{self.rng.choice(['abs', 'sign', 'floor', 'ceil', 'sqrt'])}({a})",
            f"round({b}, {self.rng.choice([0, 1, 2, 3, 15])})",
            f"round({a})",
            f"cast({self.write(self.rng.choice(['int64', 'string']), depth)} as float64)",
            f"{self.rng.choice(['greatest', 'least'])}({b}, {a})",
            f"extract(epoch from {self.write(self.rng.choice(['timestamp', 'duration']), depth)})",
            f"seconds_between({self.write('timestamp', depth)}, {self.write('timestamp', depth)})",
            f"(- {a})",
        ]
        if self.libm:
            forms.append(f"{self.rng.choice(['ln', 'log1p', 'exp'])}({b})")
            forms.append(f"power({b}, {self.rng.choice([a, '2', '3', '0.5', '-1'])})")
        return self.rng.choice(forms)

    def string(self, depth):
        text = self.write("string", depth)
        forms = [
            f"({text} || {self.write('string', depth)})",
            f"{self.rng.choice(['lower', 'upper', 'trim', 'ltrim', 'rtrim'])}({text})",
            f"substr({text}, {self.rng.choice([1, 2, 3, 9])})",
            f"substr({text}, {self.rng.choice([1, 2, 3, 9])}, {self.rng.choice([0, 1, 2, 9])})",
            f"{self.rng.choice(['left', 'right'])}({text}, {self.rng.choice([0, 1, 2, 9])})",
            f"replace({text}, '{self.rng.choice(['a', '  ', 'é'])}', '{self.rng.choice(['', '$1'])}')",
            f"cast({self.write(self.rng.choice(['int64', 'bool', 'date']), depth)} as string)",
        ]
        return self.rng.choice(forms)

    def timestamp(self, depth):
        time = self.write("timestamp", depth)
        unit = self.rng.choice(["minute", "hour", "day", "week", "month", "quarter", "year"])
        forms = [
            f"date_trunc('{unit}', {time})",
            f"({time} {self.rng.choice('+-')} {self.write('duration', depth)})",
            f"cast({self.write('date', depth)} as timestamp)",
            f"cast({self.text_of_rows(depth)} as timestamp)",
            f"cast(cast(coalesce(d, {self.write('date', depth)}) as string) || {self.rng.choice(CLOCKS)} as timestamp)",
            f"to_timestamp({self.number(depth)})",
            f"{self.rng.choice(['greatest', 'least'])}({time}, {self.write('timestamp', depth)})",
        ]
        return self.rng.choice(forms)

    def date(self, depth):
        return f"cast({self.rng.choice([self.write('timestamp', depth), self.text_of_rows(depth)])} as date)"

    def text_of_rows(self, depth):
        """Write a text that is no constant: of one that is no time a cast is refused."""
        return f"coalesce({self.rng.choice('su')}, {self.write('string', depth)})"

    def duration(self, depth):
        forms = [
            f"({self.write('timestamp', depth)} - {self.write('timestamp', depth)})",
            f"({self.write('duration', depth)} {self.rng.choice('+-')} {self.write('duration', depth)})",
        ]
        return self.rng.choice(forms)


def random_expression(seed):
    """Return (text, type) of one expression."""
    rng = random.Random(seed)
    dtype = rng.choice(TYPES)
    return RandomExpression(rng, libm=seed % 2 == 0).write(dtype, rng.randint(1, 4)), dtype
