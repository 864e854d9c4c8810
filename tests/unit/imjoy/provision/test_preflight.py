"""What stands in the way of an install: names of folders."""

from __future__ import annotations

import pytest

from imjoy.provision.preflight import misnamed_for_windows


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("C:\\ImJoyApp", ""),
        ("C:\\Users\\Jörg Müller\\Im Joy.App", ""),
        ("\\\\server\\share\\lab\\ImJoyApp", ""),
        ("C:\\console\\auxiliary\\com10", ""),
        ("C:\\lab\\aux", "the name of a device in it: aux"),
        ("C:\\lab\\NUL.txt\\x", "the name of a device in it: NUL.txt"),
        ("\\\\.\\aux", "the name of a device"),
        ("C:\\Users\\Jörg\\HKCU:\\x", "cannot carry: :"),
        ("C:\\100%\\x", "cannot carry: %"),
        ("C:\\lab \\x", "ends with a blank or a dot"),
    ],
)
def test_windows_has_folders_of_some_names_only(path: str, reason: str) -> None:
    found = misnamed_for_windows(path)
    assert reason in found and bool(reason) == bool(found)
