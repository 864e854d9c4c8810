"""Where an installed imjoy came from, by what pip wrote down and by the receipt."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.provision.records.receipt import Receipt, write_receipt
from imjoy.upgrade.facts.origin import source_of

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")


@pytest.mark.parametrize("stage", [".imjoy/stage", "../.imjoy env.imjoy/stage"])
def test_a_wheel_that_an_install_built_came_from_where_its_receipt_says(tmp_path: Path, stage: str) -> None:
    environment = tmp_path / "imjoy env"
    environment.mkdir()
    receipt = Receipt("1.0", "existing", "", "git+https://host/imjoy@main", "commit:1", (), "")
    write_receipt(environment, receipt)
    built = (environment / stage / "wheels" / "imjoy-1.0-py3-none-any.whl").as_uri()
    document: dict[str, object] = {"url": built, "archive_info": {"hash": "sha256=00"}}
    assert source_of(environment, document) == ("git+https://host/imjoy@main", "commit:1")

    other = (tmp_path / "imjoy-1.0-py3-none-any.whl").as_uri()
    found = source_of(environment, {"url": other, "archive_info": {"hash": "sha256=00"}})
    assert found == (str(tmp_path / "imjoy-1.0-py3-none-any.whl"), "wheel:00")
