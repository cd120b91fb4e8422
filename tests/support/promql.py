"""As much of PromQL as our alerts and our dashboard are written in, over pages that were scraped.

Not Prometheus: `increase` and `rate` do not extrapolate to the ends of their window. Where promtool
is at hand, `docs/test_watching.py` checks the rules with the real program as well.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from prometheus_client.parser import text_string_to_metric_families

STALE_SECONDS = 300
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
TOKEN = re.compile(
    r"""\s*(?: (?P<number>\d+(?:\.\d+)?) | (?P<name>[a-zA-Z_:][\w:]*) | (?P<text>"[^"]*")
      | (?P<sign>>=|<=|==|!=|=~|!~|[-+*/><=(){}\[\],]) )""",
    re.VERBOSE,
)
BINDING = {
    "or": 1,
    "and": 2,
    ">": 3,
    "<": 3,
    ">=": 3,
    "<=": 3,
    "==": 3,
    "+": 4,
    "-": 4,
    "*": 5,
    "/": 5,
}
SUMMED = {"sum": sum, "max": max, "min": min, "count": len}
NAME = "__name__"


@dataclass
class Pages:
    """What was scraped, and when. A target that did not answer has `up` 0 and nothing else."""

    target: dict = field(default_factory=lambda: {"job": "ses-worker", "instance": "a"})
    times: list = field(default_factory=list)
    samples: list = field(default_factory=list)

    def add(self, at, text):
        found = {}
        for family in text_string_to_metric_families(text or ""):
            for sample in family.samples:
                labels = {NAME: sample.name} | sample.labels | self.target
                found[frozenset(labels.items())] = sample.value
        found[frozenset(({NAME: "up"} | self.target).items())] = 1 if text else 0
        self.times.append(at)
        self.samples.append(found)

    def at(self, moment):
        """The last scrape; a series that it lacks is stale."""
        last = bisect_right(self.times, moment) - 1
        return self.samples[last] if last >= 0 and moment - self.times[last] < STALE_SECONDS else {}

    def shift(self, seconds):
        """Have it all been so much later, or earlier."""
        self.times = [at + seconds for at in self.times]

    def within(self, moment, seconds):
        """Each series' values in a window."""
        found = defaultdict(list)
        for at, samples in zip(self.times, self.samples, strict=True):
            if moment - seconds < at <= moment:
                for series, value in samples.items():
                    found[series].append(value)
        return found


def evaluate(expression, pages, at):
    """The vector or the scalar that an expression is at a moment."""
    parser = _Parser(expression, pages, at)
    found = parser.expression(0)
    assert parser.next is None, f"{parser.next} in {expression}"
    return found


def names(expression):
    """The metrics that an expression reads."""
    expression = re.sub(r"offset \d+\w", "", expression)
    found, tokens = set(), [match.groupdict() for match in TOKEN.finditer(expression)]
    depth, skip = 0, False
    for here, after in zip(tokens, [*tokens[1:], {"sign": None}], strict=True):
        depth += {"{": 1, "}": -1, "[": 1, "]": -1}.get(here["sign"], 0)
        if here["name"] == "by":
            skip = True
        elif skip:
            skip = here["sign"] != ")"
        elif here["name"] and not depth and after["sign"] != "(":
            found.add(here["name"])
    return found - BINDING.keys() - SUMMED.keys()  # sum by (…)


class _Parser:
    """Parses and evaluates in a single pass, by the precedence of operators."""

    def __init__(self, text, pages, at):
        self._pages, self._at = pages, at
        self._tokens = []
        end = 0
        while text[end:].strip():
            match = TOKEN.match(text, end)
            assert match, f"{text[end:]!r} is not understood"
            self._tokens.append(match[0].strip())
            end = match.end()

    @property
    def next(self):
        return self._tokens[0] if self._tokens else None

    def take(self, expected=None):
        token = self._tokens.pop(0)
        assert expected in {None, token}, f"{token} where {expected} was expected"
        return token

    def expression(self, binding):
        left = self.operand()
        while BINDING.get(self.next, 0) > binding:
            sign = self.take()
            left = _joined(sign, left, self.expression(BINDING[sign]))
        return left

    def operand(self):
        token = self.take()
        if token == "(":
            inner = self.expression(0)
            self.take(")")
            return inner
        if re.fullmatch(r"[\d.]+", token):
            return float(token)
        if token in SUMMED:
            return self.aggregation(SUMMED[token])
        if self.next == "(":
            return self.function(token)
        return self.selected(token)

    def selected(self, name):
        matches = self.matches(name)
        return {
            frozenset(pair for pair in series if pair[0] != NAME): value
            for series, value in self._pages.at(self._at).items()
            if matches(series)
        }

    def matches(self, name):
        expected = [(NAME, "=", name)]
        if self.next == "{":
            self.take()
            while self.next != "}":
                expected.append((self.take(), self.take(), self.take().strip('"')))
                if self.next == ",":
                    self.take()
            self.take()

        def fits(series):
            labels = dict(series)
            return all(_fits(labels.get(label, ""), sign, value) for label, sign, value in expected)

        return fits

    def function(self, name):
        self.take("(")
        if name == "time":
            found = self._at
        elif name == "absent":
            found = {} if self.expression(0) else {frozenset(): 1}
        elif name == "abs":
            found = {series: abs(value) for series, value in self.expression(0).items()}
        else:
            matches = self.matches(self.take())
            self.take("[")
            seconds = int(self.take()) * UNITS[self.take()]
            self.take("]")
            at = self._at
            if self.next == "offset":
                self.take()
                at -= int(self.take()) * UNITS[self.take()]
            window = self._pages.within(at, seconds).items()
            found = {
                frozenset(pair for pair in series if pair[0] != NAME): RANGED[name](values, seconds)
                for series, values in window
                if matches(series) and (len(values) > 1 or name.endswith("_over_time"))
            }
        self.take(")")
        return found

    def aggregation(self, combine):
        labels = []
        if self.next == "by":
            self.take()
            self.take("(")
            while self.next != ")":
                labels.append(self.take())
                if self.next == ",":
                    self.take()
            self.take()
        self.take("(")
        inner = self.expression(0)
        self.take(")")
        groups = defaultdict(list)
        for series, value in inner.items():
            groups[frozenset(pair for pair in series if pair[0] in labels)].append(value)
        return {series: combine(values) for series, values in groups.items()}


def _fits(found, sign, expected):
    if sign in {"=", "!="}:
        return (found == expected) is (sign == "=")
    return bool(re.fullmatch(expected, found)) is (sign == "=~")


def _increase(values, _):
    steps = pairwise(values)
    return sum(after - before if after >= before else after for before, after in steps)


RANGED = {
    "increase": _increase,
    "rate": lambda values, seconds: _increase(values, seconds) / seconds,
    "count_over_time": lambda values, _: len(values),
    "max_over_time": lambda values, _: max(values),
    "min_over_time": lambda values, _: min(values),
    "changes": lambda values, _: sum(a != b for a, b in pairwise(values)),
}
COMPARED = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "==": lambda a, b: a == b,
}
RECKONED = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else float("nan"),
}


def _joined(sign, left, right):
    if sign == "and":
        return {series: value for series, value in left.items() if series in right}
    if sign == "or":
        return left | {series: value for series, value in right.items() if series not in left}
    if isinstance(left, float) and isinstance(right, float):
        return RECKONED[sign](left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        pairs = {series: (left[series], right[series]) for series in left if series in right}
    elif isinstance(left, dict):
        pairs = {series: (value, right) for series, value in left.items()}
    else:
        pairs = {series: (left, value) for series, value in right.items()}
    if sign in COMPARED:
        kept = left if isinstance(left, dict) else right
        return {series: kept[series] for series, both in pairs.items() if COMPARED[sign](*both)}
    return {series: RECKONED[sign](*both) for series, both in pairs.items()}
