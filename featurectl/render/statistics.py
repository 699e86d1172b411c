"""Statistics of a feature: a line, a block with a small histogram, and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from featurectl.catalog.statistics import format_value
from featurectl.core.dtypes import DATE, TIMESTAMP
from featurectl.core.units import SECOND_US, format_age, format_count, format_instant
from featurectl.render.page import Page, PageTable, page_text
from featurectl.render.screen import cut_text, text_width
from featurectl.render.visible import in_one_line

if TYPE_CHECKING:
    from featurectl.catalog.statistics import Bar, FeatureStatistics

_WIDTH: Final = 24  # of the longest bar
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_LABEL: Final = 28  # of a category


def statistics_line(item: FeatureStatistics | None) -> str:
    """Return the least, median and greatest value, or the most frequent one, and the share of nulls; "" of nothing."""
    if item is None:
        return ""
    nulls = "" if not item.nulls else f", {_share(item.null_share)} null"
    if item.least is not None and item.greatest is not None:
        values = (item.least, item.quantiles.get(0.5), item.greatest)
        return " .. ".join(format_value(value, item.dtype) for value in values) + nulls
    if item.bars:
        return f"{in_one_line(item.bars[0].label)} {_share(item.bars[0].share)}{nulls}"
    return f"no values{nulls}"


def render_statistics(item: FeatureStatistics) -> str:
    """Return how values lie, with whose they are and since when."""
    return page_text(statistics_page(item))


def statistics_page(item: FeatureStatistics) -> Page:
    """Return the same as blocks: facts, and bars."""

    def number(value: float | None) -> str:
        return format_value(value, item.dtype)

    facts = [["  rows", f"{format_count(item.rows)}, {_share(item.null_share)} null"]]
    if item.distinct is not None:
        facts.append(["  distinct", format_count(item.distinct)])
    if item.least is not None:
        facts.append(["  least, greatest", f"{number(item.least)}, {number(item.greatest)}"])
        facts.append(["  mean, stddev", f"{number(item.mean)}, {spread_text(item.stddev, item.dtype)}"])
    if item.quantiles:
        texts = (f"{100 * share:g} %: {number(value)}" for share, value in item.quantiles.items())
        facts.append(["  quantiles", "   ".join(texts)])
    what = "lengths of lists" if item.dtype.startswith("list") else "values"
    head = f"{what}: {item.origin}, {format_instant(item.at)}"
    return [[head, PageTable(rows=facts)], _bars(item.bars) if item.bars else []]


def spread_text(stddev: float | None, dtype: str) -> str:
    """Return a standard deviation as text; of times, whose numbers are seconds, as a length of time."""
    if stddev is not None and dtype in (DATE, TIMESTAMP):
        return format_age(round(stddev * SECOND_US))
    return "-" if stddev is None else f"{stddev:.6g}"


def _bars(bars: tuple[Bar, ...]) -> list[str]:
    labels = [in_one_line(bar.label) if bar.low is not None else _short(in_one_line(bar.label)) for bar in bars]
    widest = max(text_width(label) for label in labels)
    most = max(bar.share for bar in bars)
    rows = []
    for bar, label in zip(bars, labels, strict=True):
        drawn = _bar(bar.share / most if most else 0.0)
        rows.append(f"  {label}{' ' * (widest - text_width(label))}  {drawn:<{_WIDTH}} {_share(bar.share)}")
    return rows


def _bar(part: float) -> str:
    """Return a bar of so much of the longest; what is there at all is seen."""
    eighths = max(round(part * _WIDTH * 8), 1 if part > 0 else 0)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def _short(label: str) -> str:
    return cut_text(label, _LABEL)


def _share(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"
