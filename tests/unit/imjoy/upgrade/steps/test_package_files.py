"""Which files a package has, by its own list."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.upgrade.steps.package_files import recorded_files


def test_a_package_that_no_list_of_files_tells_of_is_not_replaced(tmp_path: Path) -> None:
    """As distutils and some distributions of Linux install: half of the old one would stay."""
    information = tmp_path / "numpy-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Name: numpy\nVersion: 1.0\n")
    with pytest.raises(ImJoyError) as caught:
        recorded_files(tmp_path, "numpy")
    assert (caught.value.id, caught.value.exit_code) == ("upgrade.unrecorded", ExitCode.PREFLIGHT_REFUSED)
    assert "uninstall numpy" in caught.value.fix
