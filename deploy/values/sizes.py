"""Amounts as people write them: memory, CPUs, seconds, counts, batches."""

import re
from collections.abc import Callable
from dataclasses import dataclass

MINIMUM_MEMORY = 6 * 1024**2
"""Bytes; the Engine refuses less (moby, daemon/daemon_unix.go, linuxMinMemory)."""
_MAXIMUM_MEMORY = 1024**5
_MEMORY = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)([bkmg])(?:i?b)?", re.IGNORECASE)
_FACTORS = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_CPUS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,9})?")
_WHOLE = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """How many hosts are replaced at a time, after the first: a count or a share of all hosts."""

    count: int | None = None
    percent: int | None = None

    def of(self, hosts: int) -> int:
        """The number of hosts at a time out of `hosts`; a share is rounded down, and is at least one."""
        if self.percent is not None:
            return max(1, hosts * self.percent // 100)
        return max(1, min(self.count or 1, hosts))

    def __str__(self) -> str:
        return f"{self.percent}%" if self.percent is not None else str(self.count)


def parse_memory(text: str) -> int:
    """Bytes of a size as Docker writes it, such as `700m` or `1.5g` (units of 1024).

    Raises:
        ValueError: no such size, or one outside of what the Engine takes.
    """
    match = _MEMORY.fullmatch(text)
    size = int(float(match[1]) * _FACTORS[match[2].lower()]) if match else 0
    if not MINIMUM_MEMORY <= size <= _MAXIMUM_MEMORY:
        raise ValueError("not a memory size, use 700m; minimum 6m")
    return size


def parse_memory_or_none(text: str) -> int:
    """As `parse_memory`, and 0 for none.

    Raises:
        ValueError: no such size.
    """
    try:
        return 0 if text == "0" else parse_memory(text)
    except ValueError:
        raise ValueError("not a memory size, use 64m, or 0 for none; minimum 6m") from None


def format_memory(size: int) -> str:
    """A size in bytes as Docker writes it, in the largest unit that keeps it whole."""
    for unit in ("g", "m", "k"):
        if size % _FACTORS[unit] == 0:
            return f"{size // _FACTORS[unit]}{unit}"
    return f"{size}b"


def parse_cpus(text: str) -> float:
    """A number of CPUs, such as `1.8`.

    Raises:
        ValueError: no number, or below the Engine's minimum of 0.01.
    """
    cpus = float(text) if _CPUS.fullmatch(text) else 0.0
    if cpus < 0.01:
        raise ValueError("use a number above 0, as 1.8")
    return cpus


def format_cpus(cpus: float) -> str:
    """A number of CPUs without needless zeros."""
    return f"{cpus:.9f}".rstrip("0").rstrip(".")


def whole_number(least: int, most: int, unit: str = "") -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`, both included, in ASCII digits."""
    words = f"{least}–{most} {unit}".rstrip()  # noqa: RUF001 (an en dash is how ranges are written)

    def parse(text: str) -> int:
        number = int(text) if _WHOLE.fullmatch(text) else -1
        if not least <= number <= most:
            raise ValueError(f"use {words}")
        return number

    return parse


def parse_batch(text: str) -> Batch:
    """A count of hosts, such as `2`, or a share of them, such as `25%`.

    Raises:
        ValueError: neither.
    """
    match = re.fullmatch(r"([1-9][0-9]{0,2})(%?)", text)
    if not match or (match[2] and int(match[1]) > 100):
        raise ValueError("use a number of hosts, as 1, or a share of them, as 25%")
    number = int(match[1])
    return Batch(percent=number) if match[2] else Batch(count=number)
