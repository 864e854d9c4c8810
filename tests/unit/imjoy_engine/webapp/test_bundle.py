"""One script of some modules."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from imjoy_engine.web.routes.pages import STATIC
from imjoy_engine.webapp.bundle import bundle

NODE = shutil.which("node")


def ran(script: str, *, kind: str = "commonjs") -> object:
    """Return what ``script`` prints, read as JSON."""
    if NODE is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [NODE, f"--input-type={kind}", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_global_has_what_the_entry_exports_and_each_module_is_evaluated_once(tmp_path: Path) -> None:
    (tmp_path / "bottom.js").write_text(
        "globalThis.evaluated = (globalThis.evaluated || 0) + 1;\n"
        "const own = 1;\nexport const one = own;\nexport async function* count() {}\n"
    )
    (tmp_path / "middle.js").write_text(
        'import {\n  count,\n  one,\n} from "./bottom.js";\n\n'
        "const own = 2; // of the same name, in a module of its own\n"
        "export class Sum { value = one + own; }\n"
    )
    (tmp_path / "index.js").write_text(
        'export { one } from "./bottom.js";\nexport { Sum } from "./middle.js";\n'
    )
    script = bundle(tmp_path / "index.js", "Made")
    shown = "console.log(JSON.stringify([Object.keys(Made), new Made.Sum().value, evaluated]));"
    assert ran(script + shown) == [["one", "Sum"], 3, 1]


def test_other_apps_are_given_what_the_index_of_the_engine_s_modules_exports() -> None:
    index = STATIC / "engine" / "index.js"
    show = "console.log(JSON.stringify(Object.keys(Made).sort()));"
    exported = ran(f"import * as Made from {json.dumps(index.as_uri())}; {show}", kind="module")
    assert ran(f"{bundle(index, 'Made')} {show}") == exported
    assert exported == ["completeUrl", "makeEngine", "makeFileManager", "messageOf", "newClientId"]
