"""The comparison as plain text for a terminal, 80 to 160 columns."""

from lsmlab_results import origin, state, text
from lsmlab_results.reader import Results
from lsmlab_results.summary import Row, summarize

WIDTH_MIN = 80
WIDTH_MAX = 160
_HEADS = ("variant", "ops/s", "ratio", "95 % interval", "p99", "WA", "compact.", "probes", "hits")


def render(results: Results, width: int) -> str:
    """The whole table, one section per workload and phase, `width` columns at most."""
    width = min(max(width, WIDTH_MIN), WIDTH_MAX)
    first = results.records[0]
    names = (text.clean(first["experiment"]), text.clean(first.get("question", "")))
    lines = _fold(": ".join(name for name in names if name), width)
    rows = summarize(results)
    cells = dict.fromkeys((r.workload, r.phase) for r in rows)
    for cell in cells:
        lines += ["", *_section([r for r in rows if (r.workload, r.phase) == cell], width)]
        found = state.facts(results, workload=cell[0], phase=cell[1])
        lines += _fold("; ".join(f"{name}: {value}" for name, value in found.items()), width)
    incomplete = int((~results.runs["usable"]).sum())
    lines.append("")
    lines += _fold(f"{len(results.runs)} runs, {incomplete} incomplete (in no figure)", width)
    lines += _fold(origin.line(results), width)
    for notice in results.notices:
        lines += _fold(f"note: {text.clean(notice)}", width)
    return "\n".join(lines) + "\n"


def _section(rows: list[Row], width: int) -> list[str]:
    first = rows[0]
    bases = ", ".join(text.clean(b, 40) for b in dict.fromkeys(r.base for r in rows))
    kind = f", p99 of {text.clean(first.kind, 20)}" if first.kind else ""
    blocks = text.counted([r.blocks for r in rows], "block")
    where = f"{text.clean(first.workload, 60)} / {text.clean(first.phase, 20)}"
    title = f"{where}, {blocks} (ratio to {bases}{kind})"
    figures = [_figures(r) for r in rows]
    widths = [max(len(h), *(len(f[i]) for f in figures)) for i, h in enumerate(_HEADS[1:])]
    spare = width - sum(widths) - 2 * len(widths)
    names = [text.clean(r.variant, 120) for r in rows]
    wanted = max(len("variant"), *(text.columns_of(n) for n in names))
    name_width = min(wanted, max(spare, 8))
    lines = [*_fold(title, width), _line(_HEADS[0], _HEADS[1:], name_width, widths)]
    lines.append("-" * (name_width + sum(widths) + 2 * len(widths)))
    for name, row, cells in zip(names, rows, figures):
        if text.columns_of(name) > name_width:  # a long name has its line for itself
            lines += _chop(name, width)
            name = ""
        lines.append(_line(name, cells, name_width, widths))
        if row.marks:
            lines += _fold("! " + "; ".join(row.marks), width, "    ")
        if row.effect is not None:
            lines += _fold(f"= {row.effect.verdict}", width, "    ")
    return [line.rstrip() for line in lines]


def _figures(row: Row) -> tuple[str, ...]:
    effect = row.effect
    if row.variant == row.base:
        share, interval = "base", ""
    else:
        share = text.ratio(effect.ratio) if effect else text.MISSING
        interval = text.ratio_interval(effect.low, effect.high) if effect else ""
    return (
        text.short(row.ops_per_s), share, interval, text.duration(row.p99_ns),
        text.short(row.write_amplification), text.short(row.compactions),
        text.short(row.filter_probes), text.percent(row.cache_hit_rate),
    )  # fmt: skip


def _line(name: str, cells: tuple[str, ...], name_width: int, widths: list[int]) -> str:
    pad = " " * (name_width - text.columns_of(name))
    return name + pad + "".join(f"  {c:>{w}}" for c, w in zip(cells, widths))


def _chop(name: str, width: int) -> list[str]:
    """Cuts a name into pieces of at most `width` columns, so that nothing of it is lost."""
    pieces, piece = [], ""
    for char in name:
        if text.columns_of(piece + char) > width:
            pieces.append(piece)
            piece = "  "
        piece += char
    return [*pieces, piece]


def _fold(line: str, width: int, indent: str = "") -> list[str]:
    lines, current = [], indent
    for word in line.split(" "):
        for piece in _chop(word, width - len(indent) - 2):
            room = width - text.columns_of(current) - 1
            if current.strip() and text.columns_of(piece) > room:
                lines.append(current)
                current = indent + "  "
            current += (" " if current.strip() else "") + piece
    return [*lines, current]
