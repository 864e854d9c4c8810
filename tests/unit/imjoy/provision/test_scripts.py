"""What the scripts repeat of the package, because they run before it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.provision.packages import STARTER
from imjoy.provision.times import Took, shares

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("script", ["install.sh"])
def test_the_wheel_installs_itself_by_the_same_lines(script: str) -> None:
    assert STARTER in (ROOT / script).read_text(encoding="utf-8")


def test_the_table_of_times_tells_imjoys_own_part() -> None:
    times = [
        Took("downloading Miniconda", 3.0),
        Took("installing Miniconda", 4.0),
        Took("building imjoy", 1.0),
    ]
    assert list(shares(times))[1:] == [
        "  downloading Miniconda                          3.0 s  38 %",
        "  installing Miniconda                           4.0 s  50 %",
        "  building imjoy                                 1.0 s  12 %",
        "  in all                                         8.0 s",
        "  of that imjoy itself                           1.0 s",
    ]
