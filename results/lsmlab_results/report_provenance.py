"""The report's tables of provenance: build, machine, how it was measured, what each variant was."""

from lsmlab_results import markup, origin, text
from lsmlab_results.markup import esc
from lsmlab_results.reader import Results

_IDENTITIES = [
    "workload", "phase", "variant", "config hash", "workload digest (per block)", "deviations",
]  # fmt: skip
_FIELDS = (
    ("revision", ("revision",)), ("uncommitted changes", ("dirty",)),
    ("compiler", ("build", "compiler")), ("flags", ("build", "flags")),
    ("build type", ("build", "type")), ("sanitizer", ("build", "sanitizer")),
    ("plugins", ("build", "plugins")), ("kernel", ("machine", "kernel")),
    ("cpu", ("machine", "cpu")), ("cores", ("machine", "cores")),
    ("frequency governor", ("machine", "cpu_governor")), ("memory", ("machine", "memory_bytes")),
    ("huge pages", ("machine", "huge_pages")), ("disk", ("machine", "disk")),
    ("I/O scheduler", ("machine", "io_scheduler")), ("filesystem", ("machine", "filesystem")),
    ("mount options", ("machine", "mount_options")),
    ("disk's write cache", ("machine", "write_cache")), ("engine", ("engine",)),
    ("values", ("value_source",)), ("memory capped", ("memory_capped",)), ("clock", ("clock",)),
    ("warm-up before the run phase", ("warmup",)), ("store of the phase", ("load",)),
    ("target rate (0: closed loop)", ("workload_settings", "target")),
)  # fmt: skip
# Runs of one experiment may well differ in these.
_MAY_DIFFER = ("engine", "store of the phase", "target rate (0: closed loop)")
_SHOWN_MAX = 20


def provenance(results: Results) -> str:
    """Where the figures come from; several values in one cell mean that the runs differ in it. Of
    the complete runs, as long as there are any: one that never began knows less of itself."""
    complete = [r for r, usable in zip(results.records, results.runs["usable"]) if usable]
    rows = []
    for label, path in _FIELDS:
        values = (_at(record, path) for record in complete or results.records)
        seen = dict.fromkeys(esc(_shown(label, value)) for value in values)
        mark = markup.marks(["runs differ"]) if len(seen) > 1 and label not in _MAY_DIFFER else ""
        rows.append(_line(label, mark, list(seen)[:_SHOWN_MAX]))
    moments = origin.days(results)
    if moments is not None:
        rows.append(_line("runs begun", "", [esc(f"{moments[0]} to {moments[1]}")]))
    general = markup.table(["", "value"], rows)
    return general + "<h3>Configurations and workloads</h3>" + _identities(results)


def _line(label: str, mark: str, values: list[str]) -> str:
    """`mark` and `values` are finished markup."""
    joined = "<br>".join(values)
    return f'<tr><th scope="row">{esc(label)} {mark}</th><td class="mono">{joined}</td></tr>'


def _identities(results: Results) -> str:
    found: dict[tuple[str, str, str], dict[str, dict]] = {}
    for r in results.records:
        cell = found.setdefault((r["workload"], r["phase"], r["variant"]), {})
        cell.setdefault("hash", {})[text.clean(r.get("config_hash", text.MISSING), 40)] = None
        cell.setdefault("digest", {})[text.clean(r.get("workload_digest", text.MISSING), 40)] = None
        for deviation in r.get("workload_deviations", []):
            cell.setdefault("deviations", {})[text.clean(deviation)] = None
    rows = []
    for names, cell in sorted(found.items()):
        heads = "".join(f'<td class="name">{markup.name(n)}</td>' for n in names)
        kinds = (cell.get(kind, {}) for kind in ("hash", "digest", "deviations"))
        texts = [", ".join(list(kind)[:_SHOWN_MAX]) for kind in kinds]
        cells = "".join(f'<td class="mono">{esc(t)}</td>' for t in texts)
        rows.append(f"<tr>{heads}{cells}</tr>")
    return markup.table(_IDENTITIES, rows)


def _at(record: dict, path: tuple[str, ...]) -> object:
    value: object = record
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _shown(label: str, value: object) -> str:
    if value is None:
        return text.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or text.MISSING
    if value == "":
        return text.MISSING
    number = isinstance(value, (int, float))
    return text.size(value) if label == "memory" and number else str(value)
