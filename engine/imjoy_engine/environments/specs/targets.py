"""Machines of other kinds than this one: what conda and uv call them, and which wheels they take."""

from __future__ import annotations

from collections.abc import Iterator

from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms, platform_tags

from imjoy_engine.environments.specs.spec import this_platform

# What conda's platforms are to uv. The C library is that of Miniconda, the macOS that uv itself takes for granted.
UV_PLATFORMS = {
    "linux-64": "x86_64-manylinux_2_28",
    "linux-aarch64": "aarch64-manylinux_2_28",
    "osx-64": "x86_64-apple-darwin",
    "osx-arm64": "aarch64-apple-darwin",
    "win-64": "x86_64-pc-windows-msvc",
}
GLIBC = (2, 28)
MACOS = (13, 0)
_OLD_MANYLINUX = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def wheel_tags(python: str, platform: str) -> list[Tag]:
    """Return the tags of the wheels that ``python`` (as 3.11) takes on ``platform``, the best first."""
    version = tuple(int(part) for part in python.split("."))
    short = f"cp{version[0]}{version[1]}"
    abis = [f"{short}{'m' if version < (3, 8) else ''}"]
    platforms = list(platform_tags() if platform == this_platform() else _platforms(platform))
    return [*cpython_tags(version, abis, platforms), *compatible_tags(version, short, platforms)]


def _platforms(platform: str) -> Iterator[str]:
    if platform.startswith("linux-"):
        machine = "x86_64" if platform == "linux-64" else platform.removeprefix("linux-")
        oldest = 5 if machine == "x86_64" else 17
        for minor in range(GLIBC[1], oldest - 1, -1):
            yield f"manylinux_2_{minor}_{machine}"
            if minor in _OLD_MANYLINUX:
                yield f"{_OLD_MANYLINUX[minor]}_{machine}"
        yield f"linux_{machine}"
    elif platform.startswith("osx-"):
        yield from mac_platforms(MACOS, "arm64" if platform == "osx-arm64" else "x86_64")
    else:
        yield "win_amd64"


def virtual_packages(platform: str) -> dict[str, str]:
    """Return conda's words for what every machine of ``platform`` has, with versions."""
    if platform.startswith("linux-"):
        return {"__unix": "0", "__linux": "5.10", "__glibc": ".".join(map(str, GLIBC))}
    if platform.startswith("osx-"):
        return {"__unix": "0", "__osx": ".".join(map(str, MACOS))}
    return {"__win": "10"}
