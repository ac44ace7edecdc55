"""What a task says at its end: a failure, a table, JSON."""

import json
from collections.abc import Mapping, Sequence

from deploy.output.clean import clean_line, safe, safe_lines
from deploy.output.mask import Mask
from deploy.values.errors import Failure

Row = Mapping[str, object]


def failure(error: Failure, mask: Mask) -> str:
    """A failure in words: what, where, why, details, and what to do; without a final newline."""
    step = f"step {safe(error.step, mask)}" if error.step else ""
    where = ", ".join(part for part in (safe(error.host, mask), step) if part)
    parts = [
        _labelled("error:", error.what, mask),
        [f"  where: {where}"] if where else [],
        _labelled("  why:", error.why, mask),
        [f"  | {line}" for detail in error.details for line in safe_lines(detail, mask)],
        _labelled("  do:", error.advice, mask),
    ]
    return "\n".join(line for part in parts for line in part)


def table(rows: Sequence[Row], mask: Mask | None = None) -> str:
    """Rows as aligned columns under their keys in capitals; numbers to the right; empty for no rows."""
    if not rows:
        return ""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(key), mask) for key in keys] for row in rows]
    heads = [key.replace("_", " ").upper() for key in keys]
    widths = [max(len(line[index]) for line in [heads, *cells]) for index in range(len(keys))]
    right = [all(_is_number(row.get(key)) for row in rows) for key in keys]
    return "\n".join(
        "  ".join(
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in [heads, *cells]
    )


def as_json(value: object, mask: Mask | None = None) -> str:
    """A value for another program, two spaces an indentation, not in order of keys but as given."""
    return json.dumps((mask or Mask(())).data(value), indent=2, ensure_ascii=False)


def _labelled(label: str, text: str, mask: Mask) -> list[str]:
    """The text behind its label; further lines under the first one's beginning."""
    if not text:
        return []
    first, *more = safe_lines(text, mask)
    return [f"{label} {first}", *(" " * (len(label) + 1) + line for line in more)]


def _cell(value: object, mask: Mask | None) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    return safe(str(value), mask) if mask else clean_line(str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
