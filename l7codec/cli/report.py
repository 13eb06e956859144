"""The summary on standard error: what a capture came to, and what was wrong with it."""

from __future__ import annotations

import sys

from ..capture import Summary
from .text import plural, safe, size

__all__ = ["report"]

_SHOWN = 10  # errors told one by one


def report(summary: Summary, path: str | None = None) -> None:
    """Write warnings, the first errors, and the summary line to standard error."""
    lines = [f"warning: {warning}" for warning in summary.warnings]
    lines += [f"note: {note}" for note in summary.notes]
    lines += [f"error: {trouble}" for trouble in summary.troubles[:_SHOWN]]
    if summary.errors > _SHOWN:
        lines.append(f"… and {plural(summary.errors - _SHOWN, 'more error')}")
    prefix = "" if path is None else f"{path}: "
    lines.append(prefix + summary_line(summary))
    for line in lines:
        print(safe(line), file=sys.stderr)


def summary_line(summary: Summary) -> str:
    """Everything in one line; what there is none of is left out, but for messages and errors."""
    total = sum(summary.messages.values())
    by_protocol = ", ".join(f"{name} {count:,}" for name, count in summary.messages.most_common())
    parts = [
        plural(summary.conversations, "conversation"),
        plural(total, "message") + (f" ({by_protocol})" if by_protocol else ""),
        plural(summary.errors, "error"),
    ]
    if summary.gaps:
        parts.append(f"{plural(summary.gaps, 'gap')} of {size(summary.missing)}")
    if summary.skipped:
        parts.append(f"{size(summary.skipped)} skipped")
    if summary.unfinished:
        parts.append(f"{summary.unfinished:,} unfinished")
    if summary.unanswered:
        parts.append(f"{summary.unanswered:,} unanswered")
    if summary.dropped:
        parts.append(f"{plural(summary.dropped, 'request')} given up")
    if summary.unrecognised:
        names = ", ".join(f"{name} {size(count)}" for name, count in summary.unrecognised.most_common())
        parts.append(f"not recognised: {names}")
    if summary.passed_over:
        names = ", ".join(f"{count:,} × {name}" for name, count in summary.passed_over.most_common(4))
        parts.append(f"{plural(summary.passed_over.total(), 'packet')} passed over ({names})")
    return " · ".join(parts)
