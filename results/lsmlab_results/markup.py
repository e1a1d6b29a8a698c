"""The few pieces of HTML that the report is made of; every foreign text passes through `esc`."""

import html
import re
from collections.abc import Iterable
from pathlib import Path

from lsmlab_results.text import clean

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

STYLE = """
:root { color-scheme: light; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de;
  --mark: #8a3b00; --fill: #fff4e5; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: #fff;
  max-width: 1360px; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; } p { max-width: 70em; }
.question { font-size: 1.1rem; } .soft, figcaption { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left;
  vertical-align: top; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.name { overflow-wrap: break-word; min-width: 5rem; max-width: 20rem; }
td.hash { font-family: ui-monospace, "DejaVu Sans Mono", monospace; white-space: nowrap; }
tr.note td { padding-top: 0; } tr.figures > :not([rowspan]) { border-bottom: 0; padding-bottom: .1rem; }
td.mono { font-family: ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere;
  max-width: 24rem; }
.mark { display: inline-block; color: var(--mark); background: var(--fill); border: 1px solid #e8c9a5;
  border-radius: 3px; padding: 0 .35rem; margin: 0 .25rem .15rem 0; font-size: .8rem; }
tr.differs > * { background: var(--fill); } tr.base td { font-weight: 600; }
figure { margin: 1rem 0 2rem; } figure svg { max-width: 100%; height: auto; }
@media print { body { max-width: none; } figure { break-inside: avoid; } }
"""


def esc(value: object, limit: int = 400) -> str:
    """Foreign text for element content or a quoted attribute."""
    return html.escape(clean(value, limit), quote=True)


def name(value: object) -> str:
    """A long name that may be broken after `,` and `;`."""
    return re.sub(r"(?<=[,;])", "<wbr>", esc(value))


def marks(texts: Iterable[str]) -> str:
    """Each text as a small labelled box."""
    return "".join(f'<span class="mark">{esc(t)}</span>' for t in texts)


def table(heads: list[str], rows: list[str], numbers_from: int | None = None) -> str:
    """A scrolling table. `heads` are texts, `rows` are finished <tr> elements."""
    cells = "".join(
        f'<th scope="col"{_class(i, numbers_from)}>{name(h)}</th>' for i, h in enumerate(heads)
    )
    return (
        f'<div class="wide"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def numbers(texts: Iterable[str]) -> str:
    """Right-aligned cells."""
    return "".join(f'<td class="n">{esc(t)}</td>' for t in texts)


def inline_svg(path: Path, number: int, title: str) -> str:
    """The file's <svg> element with ids of its own, so that many can stand in one page."""
    drawing = path.read_text(encoding="utf-8")
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    prefix = f"p{number}-"
    drawing = re.sub(r'(\sid=")', rf"\g<1>{prefix}", drawing)
    drawing = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", drawing)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{esc(title)}" ', 1)


def page(title: str, body: str) -> str:
    """A whole document that loads nothing and runs nothing."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{esc(title)}</title><style>{STYLE}</style></head>\n<body>{body}</body></html>\n"
    )


def _class(index: int, numbers_from: int | None) -> str:
    numeric = numbers_from is not None and index >= numbers_from
    return f' class="{"n" if numeric else "name"}"'
