"""What stands in the way of an install: names of folders, machines that conda's installers do not run on."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from imjoy.provision.facts.installers import distribution
from imjoy.provision.facts.machine import Machine, look_at_prefix
from imjoy.provision.facts.preflight import find_in_prefix, misnamed_for_windows, why_unsupported
from imjoy.provision.records.receipt import Receipt, write_receipt

LINUX = Machine(
    platform="linux-64",
    libc="glibc",
    libc_version=(2, 36),
    macos=(),
    windows_build=0,
    rosetta=False,
    wsl=False,
    root=False,
    memory_mib=8000,
)


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


@pytest.mark.parametrize(
    ("machine", "miniconda", "miniforge"),
    [
        (LINUX, "", ""),
        (replace(LINUX, libc_version=(2, 17)), "Miniconda needs glibc 2.28, and this is 2.17", ""),
        (
            replace(LINUX, libc_version=(2, 12)),
            "Miniconda needs glibc 2.28, and this is 2.12",
            "Miniforge needs glibc 2.17, and this is 2.12",
        ),
        (replace(LINUX, platform="linux-ppc64le"), "Miniconda has no build for linux-ppc64le", ""),
        (
            replace(LINUX, platform=""),
            "Miniconda has no build for this machine",
            "Miniforge has no build for this machine",
        ),
        (
            replace(LINUX, libc="musl", libc_version=(1, 2)),
            "Miniconda needs glibc, and this system has musl",
            "Miniforge needs glibc, and this system has musl",
        ),
        (
            replace(LINUX, platform="osx-arm64", libc="", macos=(11, 6)),
            "Miniconda needs macOS 12.1, and this is 11.6",
            "",
        ),
        (replace(LINUX, platform="osx-64", libc="", macos=(14,)), "Miniconda has no build for osx-64", ""),
    ],
)
def test_a_distribution_says_why_it_does_not_run_on_a_machine(
    machine: Machine, miniconda: str, miniforge: str
) -> None:
    assert (
        why_unsupported(distribution("miniconda"), machine),
        why_unsupported(distribution("miniforge"), machine),
    ) == (
        miniconda,
        miniforge,
    )


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")
def test_root_does_not_install_over_what_belongs_to_somebody_else(tmp_path: Path) -> None:
    def named() -> list[tuple[str, str]]:
        found = find_in_prefix(look_at_prefix(tmp_path), needed_mib=0, conda=False, better=tmp_path)
        return [(each.id, each.what) for each in found]

    write_receipt(tmp_path, Receipt("0.12.0", "venv", "3.12.1", "", "", (), "", str(tmp_path)))
    assert named() == []
    os.chown(tmp_path, 54321, 54321)
    what = f"{tmp_path} belongs to user 54321, who could no longer change what root writes there"
    assert named() == [("prefix.unwritable", what)]
