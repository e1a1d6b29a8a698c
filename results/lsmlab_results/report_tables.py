"""The tables of the report: comparison, conditions, runs."""

from lsmlab_results import markup, sides, state, text
from lsmlab_results.markup import esc
from lsmlab_results.reader import Results
from lsmlab_results.summary import Row, variants_of

_COMPARISON = [
    "variant", "ops/s", "ratio", "blocks", "95 % interval", "BCa interval", "p (Holm)", "p50", "p99",
    "WA", "RA", "SA", "compactions", "filter probes", "cache hits",
]  # fmt: skip
_RUN_HEADS = [
    "line", "block", "order", "variant", "workload", "phase", "seed", "state", "ops/s", "elapsed s",
    "operations", "failed", "config hash", "workload digest", "started",
]  # fmt: skip
RUNS_MAX = 5000


def comparison(rows: list[Row]) -> list[str]:
    """One table per workload and phase."""
    parts = []
    for workload, phase in dict.fromkeys((r.workload, r.phase) for r in rows):
        found = [r for r in rows if (r.workload, r.phase) == (workload, phase)]
        kind = f"; latencies of {esc(found[0].kind, 30)}" if found[0].kind else ""
        bases = ", ".join(esc(b, 80) for b in dict.fromkeys(r.base for r in found))
        parts.append(
            f'<h3>{esc(workload)}, {esc(phase)} <span class="soft">ratio to {bases}{kind}</span></h3>'
        )
        parts.append(markup.table(_COMPARISON, [_comparison_row(r) for r in found], 1))
    return parts


def _comparison_row(row: Row) -> str:
    effect = row.effect
    is_base = row.variant == row.base
    if is_base:
        shares = ["base", str(row.blocks), "", "", ""]
    elif effect is None:
        shares = [text.MISSING, "", "", "", ""]
    else:
        p = "" if effect.p is None else f"{effect.p:.3f}" if effect.p >= 0.001 else "< 0.001"
        shares = [
            text.ratio(effect.ratio), str(effect.blocks),
            text.ratio_interval(effect.low, effect.high),
            text.ratio_interval(effect.bca_low, effect.bca_high), p,
        ]  # fmt: skip
    figures = markup.numbers([
        text.short(row.ops_per_s), *shares, text.duration(row.p50_ns), text.duration(row.p99_ns),
        text.short(row.write_amplification), text.short(row.read_amplification),
        text.short(row.space_amplification), text.short(row.compactions),
        text.short(row.filter_probes), text.percent(row.cache_hit_rate),
    ])  # fmt: skip
    verdict = f"{esc(effect.verdict)} " if effect else ""
    note = verdict + markup.marks(row.marks)
    kinds = f"{'base ' if is_base else ''}{'figures' if note else ''}".strip()
    rows = 2 if note else 1
    name = f'<td class="name" rowspan="{rows}">{markup.name(row.variant)}</td>'
    line = f'<tr class="{kinds}">{name}{figures}</tr>'
    span = len(_COMPARISON) - 1
    return line + (f'<tr class="note"><td colspan="{span}">{note}</td></tr>' if note else "")


def conditions(results: Results) -> str:
    """Condition x variant; a row whose sides differ says so. Below, the state that was measured."""
    variants = variants_of(results)
    values = sides.stated(results, lambda record: record["variant"])
    names = sides.names_of(results)
    rows = []
    for name in names:
        shown = [values[v].get(name, text.MISSING) for v in variants]
        differs = len(set(shown)) > 1
        mark = markup.marks(["differs"]) if differs else ""
        cells = "".join(f"<td>{esc(s)}</td>" for s in shown)
        kind = ' class="differs"' if differs else ""
        rows.append(f'<tr{kind}><th scope="row">{esc(name)} {mark}</th>{cells}</tr>')
    rows += _states(results, variants)
    none = "" if names else '<p class="soft">The records state no conditions.</p>'
    return none + (markup.table(["condition", *variants], rows) if rows else "")


def _states(results: Results, variants: list[str]) -> list[str]:
    """Rows of what the stores were like, per phase. They follow from the runs: differing is no mark."""
    rows = []
    for phase in sorted(set(results.usable["phase"])):
        found = [state.facts(results, variant=v, phase=phase) for v in variants]
        for name in dict.fromkeys(n for facts in found for n in facts):
            cells = "".join(f"<td>{esc(f.get(name, text.MISSING))}</td>" for f in found)
            rows.append(f'<tr><th scope="row">{esc(phase)}: {name}</th>{cells}</tr>')
    return rows


def runs(results: Results) -> str:
    """One line per record, incomplete ones marked."""
    pairs = list(zip(results.runs.itertuples(), results.records))[:RUNS_MAX]
    rows = []
    for run, record in pairs:
        state = "complete" if run.usable else markup.marks(["incomplete"])
        if "error" in record:
            state += f" {esc(record['error'])}"
        if run.mismatch:
            state += markup.marks(["figures disagree"])
        rows.append(_run_row(run.line, record, state))
    more = len(results.records) - RUNS_MAX
    note = f'<p class="soft">and {more} more runs in the records</p>' if more > 0 else ""
    return markup.table(_RUN_HEADS, rows) + note


def _run_row(line: int, record: dict, state: str) -> str:
    """`state` is finished markup."""

    def cells(kind: str, names: tuple[str, ...]) -> str:
        shown = (markup.name(text.clean(record.get(n, text.MISSING), 120)) for n in names)
        return "".join(f'<td class="{kind}">{s}</td>' for s in shown)

    figures = [text.short(record.get(n)) for n in ("ops_per_s", "elapsed_s", "ops", "ops_failed")]
    return (
        f"<tr>{markup.numbers([str(line)])}{cells('n', ('block', 'order'))}"
        f"{cells('name', ('variant', 'workload', 'phase'))}{cells('n', ('seed',))}<td>{state}</td>"
        f"{markup.numbers(figures)}{cells('hash', ('config_hash', 'workload_digest', 'started_at'))}</tr>"
    )
