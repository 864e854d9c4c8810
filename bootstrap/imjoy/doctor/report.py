"""The report that a person can paste into an issue: everything that was found, nothing that is private."""

from __future__ import annotations

from imjoy.bug_report import known_secrets, redact
from imjoy.context import Context
from imjoy.doctor.model import CheckResult, Examination
from imjoy.doctor.text import summary
from imjoy.model.layout import Layout


def report_text(examination: Examination, context: Context, layout: Layout) -> str:
    """Return Markdown without token, home, user name and proxy credentials."""
    lines = [
        "# imjoy doctor",
        "",
        f"imjoy {examination.version}, Python {examination.python}, {examination.platform}",
        f"{summary(examination)}",
        "",
        "| check | found | what | why |",
        "| --- | --- | --- | --- |",
        *(_row(each) for each in examination.checks),
        "",
    ]
    text = "\n".join(lines)
    return redact(text, context, secrets=known_secrets(layout, context, ()))


def _row(check: CheckResult) -> str:
    cells = (check.id, f"{check.status.value}, {check.milliseconds} ms", check.what, check.why)
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"
