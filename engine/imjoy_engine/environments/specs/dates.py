"""How old a plugin is, as far as its file tells, and dates as people write them."""

from __future__ import annotations

import re
from datetime import date

from imjoy.model.errors import ExitCode, ImJoyError

# The day on which the next version of the plugin API came (the history of the ImJoy web app): until then at least
# plugins were written for this one. 0.1.8 is the last; it tells nothing.
SUPERSEDED_ON = {
    "0.1.0": "2018-08-02",
    "0.1.1": "2018-12-08",
    "0.1.2": "2019-03-22",
    "0.1.3": "2019-05-08",
    "0.1.4": "2019-05-11",
    "0.1.5": "2019-08-06",
    "0.1.6": "2019-12-14",
    "0.1.7": "2020-03-27",
}
_DATE = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def date_of_api_version(api_version: str) -> str:
    """Return the day as of which a plugin was made, as 2020-03-27; empty when its API version tells none."""
    return SUPERSEDED_ON.get(api_version.strip(), "")


def checked_date(text: str) -> str:
    """Return a day, as 2020-03-27, for that or for a month (its last day); empty for an empty text.

    Raises ImJoyError ``env.date``.
    """
    if not text:
        return ""
    match = _DATE.fullmatch(text)
    try:
        if match is None:
            raise ValueError("it is none of these forms")
        year, month = int(match[1]), int(match[2])
        if match[3]:
            return date(year, month, int(match[3])).isoformat()
        first_of_next = date(year + month // 12, month % 12 + 1, 1) if month <= 12 else date(year, month, 1)
        return date.fromordinal(first_of_next.toordinal() - 1).isoformat()
    except ValueError as error:
        raise ImJoyError(
            "env.date",
            f"{text!r} is no date.",
            why=str(error),
            fix="Write it as 2020-03 or 2020-03-27.",
            exit_code=ExitCode.USAGE,
        ) from error


def month_of(day: str) -> str:
    """Return a day's month in words: March 2020."""
    year, month, _ = day.split("-")
    return f"{_MONTHS[int(month) - 1]} {year}"
