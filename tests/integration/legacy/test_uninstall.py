"""What an old Python had made is taken away again from there."""

from __future__ import annotations

from .conftest import OldHost


def test_uninstall_takes_the_environment_and_the_link_away(finished_host: OldHost) -> None:
    link = finished_host.home / "ImJoyApp"
    if not link.is_symlink():
        link.symlink_to(finished_host.prefix)
    done = finished_host.run("uninstall", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not finished_host.prefix.exists()
    assert not link.is_symlink()
    assert (finished_host.home / "miniconda3" / "bin" / "conda").exists()
    assert finished_host.run("status").returncode == 3
