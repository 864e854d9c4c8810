"""The caches that uv and rattler keep for all that uses them: an uninstall names them, and may remove them."""

from __future__ import annotations

import sys
from pathlib import Path

from imjoy.context import Context

# What shows that a folder is the cache that it is taken for, whatever a variable says.
MARKS = {"uv": ("CACHEDIR.TAG", "archive-v0", "wheels-v5"), "rattler": ("pkgs", "repodata")}


def find_caches(context: Context) -> tuple[Path, ...]:
    """Return the caches that are here. The places are those of uv's and rattler's documentation."""
    environ, home = context.environ, context.home
    usual = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    places = {"uv": usual / "uv", "rattler": usual / "rattler"}
    if sys.platform == "win32":
        local = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        places = {"uv": local / "uv" / "cache", "rattler": local / "rattler" / "cache"}
    elif sys.platform == "darwin":
        places["rattler"] = home / "Library" / "Caches" / "rattler" / "cache"
    named = {name: environ.get(f"{name.upper()}_CACHE_DIR") for name in places}
    chosen = {name: Path(named[name] or place) for name, place in places.items()}
    if sys.platform.startswith("linux") and not named["rattler"]:
        chosen["rattler"] = next(
            (each for each in (places["rattler"], places["rattler"] / "cache") if _is_cache("rattler", each)),
            places["rattler"],
        )
    return tuple(place for name, place in chosen.items() if _is_cache(name, place))


def _is_cache(name: str, place: Path) -> bool:
    return place.is_dir() and not place.is_symlink() and any((place / mark).exists() for mark in MARKS[name])
