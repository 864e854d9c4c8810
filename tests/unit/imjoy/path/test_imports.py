"""What the planner of an install takes from here: it runs on Python 3.9 with nothing installed."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import imjoy.path

MODULES = sorted(Path(imjoy.path.__file__).parent.glob("*.py"))
ALLOWED = {*sys.stdlib_module_names, "imjoy"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_a_module_imports_the_standard_library_and_models_only(module: Path) -> None:
    tree = ast.parse(module.read_text(encoding="utf-8"), feature_version=(3, 9))
    for node in ast.walk(tree):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.partition(".")[0] in ALLOWED or name == "psutil", name
            if name.startswith("imjoy."):
                assert name.startswith(("imjoy.model.", "imjoy.path")), name
