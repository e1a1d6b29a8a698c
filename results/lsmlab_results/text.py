"""Foreign text made safe to show, and figures made short enough to read."""

import math
import re
import unicodedata
from collections.abc import Collection

# Control, format (bidi overrides, zero width), surrogate, private use, line and paragraph separators.
_STRIPPED = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
MISSING = "-"


def clean(value: object, limit: int = 200) -> str:
    """Returns `value` as one line without control characters, at most `limit` characters long."""
    raw = str(value)[: 4 * limit]
    if len(raw) <= limit and raw.isprintable():  # nearly all are
        return raw
    kept = "".join(c for c in raw if unicodedata.category(c) not in _STRIPPED)
    return kept if len(kept) <= limit else kept[: limit - 3] + "..."


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sort key under which `bits=4` comes before `bits=10`."""
    parts = re.split(r"([0-9]{1,18})", name)
    return [(0, int(p), "") if p.isascii() and p.isdigit() else (1, 0, p) for p in parts if p]


def wrap_name(name: str, width: int) -> str:
    """Breaks a long name into lines of about `width`, preferably after `,` `;` `/` or a space."""
    lines, rest = [], clean(name, 120)
    while len(rest) > width:
        cut = max((rest.rfind(c, 0, width) + 1 for c in ",; /"), default=0)
        if cut < width // 3:
            cut = max((rest.rfind(c, 0, width) + 1 for c in "=."), default=0)
        if cut < width // 3:
            cut = width
        lines.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return "\n".join([*lines, rest])


def counted(counts: Collection[int], noun: str) -> str:
    """`5 blocks`, or `3 to 5 blocks` where the counts differ."""
    low, high = min(counts), max(counts)
    number = str(high) if low == high else f"{low} to {high}"
    return f"{number} {noun}{'' if high == 1 else 's'}"


def columns_of(text: str) -> int:
    """Number of terminal columns that `text` takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def missing(value: object) -> bool:
    """True for an absent figure (None or not finite)."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def short(value: float | None) -> str:
    """Three significant digits with k, M, G, T for thousands; two below 1."""
    if missing(value):
        return MISSING
    magnitude = abs(value)
    for scale, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if magnitude >= 0.9995 * scale:
            return f"{_digits(value / scale)}{letter}"
    return _digits(value)


def _digits(value: float) -> str:
    if value == int(value) and abs(value) < 1000:
        return str(int(value))
    magnitude = abs(value)
    if magnitude >= 99.95:
        return f"{value:.0f}"
    if magnitude >= 9.995:
        return f"{value:.1f}"
    if magnitude >= 0.0995:
        return f"{value:.2f}"
    return f"{value:.2g}" if magnitude >= 0.0095 else f"{value:.1e}"


def duration(nanoseconds: float | None) -> str:
    """A latency with its unit: ns, us, ms or s."""
    if missing(nanoseconds):
        return MISSING
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if nanoseconds >= 0.9995 * scale:
            return f"{_digits(nanoseconds / scale)} {unit}"
    return f"{_digits(nanoseconds)} ns"


def size(count: float | None) -> str:
    """Bytes in binary units."""
    if missing(count):
        return MISSING
    for scale, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= scale:
            return f"{_digits(count / scale)} {unit}"
    return f"{_digits(count)} B"


def ratio(value: float | None) -> str:
    """A ratio with two decimals, or two digits when it is small, or short when it is large."""
    if missing(value):
        return MISSING
    return short(value) if value >= 100 else f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def ratio_interval(low: float | None, high: float | None) -> str:
    """`[low, high]`, or nothing when there is no interval."""
    return "" if missing(low) or missing(high) else f"[{ratio(low)}, {ratio(high)}]"


def percent(share: float | None) -> str:
    """A share of 1 as per cent with one decimal."""
    return MISSING if missing(share) else f"{100 * share:.1f} %"
