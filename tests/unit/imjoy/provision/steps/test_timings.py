"""The table of times that `--verbose` ends with."""

from __future__ import annotations

from imjoy.provision.steps.timings import StepTime, shares


def test_the_table_of_times_tells_imjoys_own_part() -> None:
    times = [
        StepTime("downloading Miniconda", 3.0),
        StepTime("installing Miniconda", 4.0),
        StepTime("building imjoy", 1.0),
    ]
    assert list(shares(times))[1:] == [
        "  downloading Miniconda                          3.0 s  38 %",
        "  installing Miniconda                           4.0 s  50 %",
        "  building imjoy                                 1.0 s  12 %",
        "  in all                                         8.0 s",
        "  of that imjoy itself                           1.0 s",
    ]
