"""The demonstration's screen as an SVG that needs nothing from elsewhere: the README's picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

TITLE = "make demo"

# Rich's own template loads a font from a content network; this one takes the reader's.
_TEMPLATE = """\
<svg class="terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; }}
.{unique_id}-matrix {{ line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; font-weight: bold; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">{matrix}</g>
</g>
</svg>
"""


def save(console: Console, path: Path) -> None:
    """Write what `console` has recorded to `path`."""
    console.save_svg(str(path), title=TITLE, code_format=_TEMPLATE)
