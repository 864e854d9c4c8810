"""What there is to upgrade to, and what to do where there is nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy import PROJECT_URL
from imjoy.context import Context
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.facts.target import find_target

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")


@pytest.mark.parametrize("form", ["{path}", "git+{url}", "git+{url}@main"])
def test_where_the_checkout_that_imjoy_came_from_is_gone_the_project_s_own_address_is_named(
    tmp_path: Path, form: str
) -> None:
    gone = tmp_path / "ImJoy-Engine"
    source = form.format(path=gone, url=gone.as_uri())
    origin = Origin("0.12.0", tmp_path, tmp_path, tmp_path, tmp_path, manager="pip", source=source, id="")
    with pytest.raises(ImJoyError) as caught:
        find_target(origin, None, None, Context(home=tmp_path, environ={}))
    assert caught.value.id == "upgrade.source"
    assert caught.value.fix == f"imjoy upgrade --from git+{PROJECT_URL}"
    assert caught.value.exit_code is ExitCode.PREFLIGHT_REFUSED
