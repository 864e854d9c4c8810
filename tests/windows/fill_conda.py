"""Fills the folder that the double of constructor's installer makes: a Python, and a conda that says what it is."""

from __future__ import annotations

import io
import shutil
import sys
import zipfile
from pathlib import Path

LEFT_OUT = shutil.ignore_patterns("test", "__pycache__", "Tools", "tcl", "tkinter", "idlelib")


def main(target: Path) -> None:
    """Copy the Python that runs this, without its packages, and make ``Scripts\\conda.exe``."""
    base = Path(sys.base_prefix)

    def left_out(folder: str, names: list[str]) -> set[str]:
        packages = {each for each in names if Path(folder).name == "site-packages" and each != "pip"}
        return LEFT_OUT(folder, names) | packages | ({"Scripts"} if Path(folder) == base else set())

    shutil.copytree(base, target, ignore=left_out, dirs_exist_ok=True)
    (target / "conda-meta").mkdir()
    (target / "conda-meta" / "history").touch()
    package = target / "Lib" / "site-packages" / "conda"
    package.mkdir()
    (package / "__init__.py").touch()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__main__.py", "print('conda 26.7.1')")
    launcher = base / "Lib" / "site-packages" / "pip" / "_vendor" / "distlib" / "t64.exe"
    (target / "Scripts").mkdir()
    program = launcher.read_bytes() + f"#!{target / 'python.exe'}\r\n".encode() + archive.getvalue()
    (target / "Scripts" / "conda.exe").write_bytes(program)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
