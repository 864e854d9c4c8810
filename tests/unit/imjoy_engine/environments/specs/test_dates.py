"""How old a plugin is, and dates as people write them."""

from __future__ import annotations

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.specs.dates import SUPERSEDED_ON, checked_date, date_of_api_version, month_of


def test_the_api_version_tells_an_age_but_for_the_last_one() -> None:
    assert date_of_api_version("0.1.7") == "2020-03-27"
    assert [date_of_api_version(version) for version in ("0.1.8", "", "0.2.0", "x")] == [""] * 4
    days = list(SUPERSEDED_ON.values())
    assert days == sorted(days)


@pytest.mark.parametrize(
    ("typed", "day"),
    [("2020-03-27", "2020-03-27"), ("2020-02", "2020-02-29"), ("2021-12", "2021-12-31"), ("", "")],
)
def test_a_date_is_a_day_or_a_month_until_its_end(typed: str, day: str) -> None:
    assert checked_date(typed) == day


@pytest.mark.parametrize(
    "typed", ["2020", "2020-13", "2020-02-30", "yesterday", "2020-3", "0000-12", "9999-12"]
)
def test_what_is_no_date_is_refused(typed: str) -> None:
    with pytest.raises(ImJoyError) as refused:
        checked_date(typed)
    assert (refused.value.id, refused.value.exit_code) == ("env.date", 2)


def test_a_month_is_said_in_words() -> None:
    assert month_of("2020-03-27") == "March 2020"
