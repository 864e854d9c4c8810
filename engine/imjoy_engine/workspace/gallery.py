"""The list of public plugins: where it comes from, the last one that came, and the plugins' files.

The list is a manifest as ImJoy's repositories publish it (``manifest.imjoy.json``): ``{"name", "version", "uri_root",
"plugins": [{"name", "type", "version", "description", "tags", "uri", ...}]}``. What is in it was written by others, and
only what is read here goes on to a page. Every function may wait for the disk or the network.
"""

from __future__ import annotations

import contextlib
import json
import time
from concurrent.futures import Future, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from imjoy.effects.disk.files import read_json, write_private
from imjoy.effects.network.http import Failures, failure_reason, open_url
from imjoy.model.errors import ImJoyError

PUBLIC_URL = "https://raw.githubusercontent.com/imjoy-team/imjoy-plugins/master/manifest.imjoy.json"
"""The repository of the ImJoy team (https://github.com/imjoy-team/imjoy-plugins)."""
MAX_LIST_BYTES = 4 << 20  # the public one has 31 KB
MAX_PLUGIN_BYTES = 4 << 20
MAX_PLUGINS = 2000
MAX_TEXT = 500  # characters, of any one thing that the list says of a plugin
MAX_TAGS = 20
MAX_URL = 2000  # characters; each plugin repeats what a list says of the root
SILENCE_SECONDS = 10.0
DEADLINE_SECONDS = 30.0
PIECE_BYTES = 64 << 10
# What a url may hold as it stands; names of files have blanks.
_URL_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"


_changing = Lock()
"""Who reads what is kept, and keeps something else for that reason, does both while it holds this."""


@dataclass(frozen=True)
class PublicPlugin:
    """What the list says of one plugin; ``uri`` is its file's whole url."""

    name: str
    uri: str
    type: str = ""
    version: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublicList:
    """The plugins that ``url`` listed at ``time`` (seconds since the epoch, 0: never).

    ``why`` says why the list is not of now; an empty ``url`` means that no list is wanted.
    """

    url: str = PUBLIC_URL
    time: float = 0.0
    why: str = ""
    plugins: tuple[PublicPlugin, ...] = field(default=())


class Gallery:
    """The list that is kept in ``file``, with the setting where it comes from."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def kept(self) -> PublicList:
        """Return the last list; an empty one where none came yet, or where the file cannot be read."""
        try:
            known: Any = read_json(self._file)
            url = str(known["url"])
            return PublicList(url, float(known["time"]), "", _read_plugins(known["plugins"], url, url))
        except (OSError, ValueError, TypeError, KeyError):
            return PublicList()

    def listed(self) -> PublicList:
        """Ask for the list and keep it; where none comes, return the last one and ``why``.

        It is not kept when another url was chosen meanwhile.
        """
        last = self.kept()
        if not last.url:
            return last
        try:
            plugins = read_manifest(fetch(last.url, MAX_LIST_BYTES), last.url)
        except ImJoyError as error:
            return PublicList(
                last.url, last.time, "\n".join(filter(None, (error.what, error.why))), last.plugins
            )
        fresh = PublicList(last.url, time.time(), "", plugins)
        with _changing, contextlib.suppress(OSError):  # it is shown all the same
            if self.kept().url == fresh.url:
                self._keep(fresh)
        return fresh

    def choose(self, url: str) -> None:
        """Have the list come from ``url`` from now on, from nowhere when it is empty.

        Raises ImJoyError ``gallery.url``, and OSError when it cannot be kept.
        """
        if url:
            _check_url(url)
        with _changing:
            if url != self.kept().url:
                self._keep(PublicList(url))

    def source(self, uri: str) -> bytes:
        """Return the file of a plugin of the last list.

        Raises ImJoyError ``gallery.unlisted`` for any other url, and as :func:`fetch` does.
        """
        if all(plugin.uri != uri for plugin in self.kept().plugins):
            raise ImJoyError(
                "gallery.unlisted", "The list of public plugins has no such file.", why=uri[:MAX_TEXT]
            )
        return fetch(uri, MAX_PLUGIN_BYTES)

    def _keep(self, known: PublicList) -> None:
        write_private(self._file, json.dumps(asdict(known), ensure_ascii=False))


def read_manifest(content: bytes, url: str) -> tuple[PublicPlugin, ...]:
    """Return the plugins of the manifest that ``url`` answered with; what is no plugin in it is left out.

    Raises ImJoyError ``gallery.unreadable``.
    """
    try:
        document = json.loads(content)
        listed, root = document["plugins"], document.get("uri_root") or ""
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _unreadable(url, str(error)) from error
    if not isinstance(listed, list) or not isinstance(root, str):
        raise _unreadable(url, "It has no list of plugins.")
    try:
        folder = _joined(url, root.rstrip("/") + "/") if root else url
    except ValueError as error:
        raise _unreadable(url, f"Its uri_root is none: {error}") from error
    return _read_plugins(listed, folder, url)


def _unreadable(url: str, why: str) -> ImJoyError:
    return ImJoyError(
        "gallery.unreadable",
        f"{url[:MAX_TEXT]} is no list of plugins.",
        why=why[:MAX_TEXT],
        fix="Give the url of a manifest.imjoy.json.",
    )


def _joined(base: str, uri: str) -> str:
    """Return the whole url; raises ValueError when there is none, or none of a length that can be kept."""
    whole = urljoin(base, quote(uri, safe=_URL_CHARACTERS)) if len(uri) <= MAX_URL else uri
    if len(whole) > MAX_URL:
        raise ValueError(f"It has more than {MAX_URL} characters.")
    return whole


def _read_plugins(listed: list[Any], folder: str, url: str) -> tuple[PublicPlugin, ...]:
    found: dict[str, PublicPlugin] = {}
    for entry in listed:
        if not isinstance(entry, dict) or len(found) == MAX_PLUGINS:
            continue
        name, uri, tags = _text(entry, "name"), entry.get("uri"), entry.get("tags")
        if not name or not isinstance(uri, str):
            continue
        with contextlib.suppress(ValueError):
            whole = _joined(folder, uri)
            if not _is_address(whole, like=url):
                continue
            found[whole] = PublicPlugin(
                name=name,
                uri=whole,
                type=_text(entry, "type"),
                version=_text(entry, "version"),
                description=_text(entry, "description"),
                tags=_texts(tags) if isinstance(tags, list) else (),
            )
    return tuple(found.values())


def _texts(values: list[Any]) -> tuple[str, ...]:
    return tuple(_clean(value) for value in values[:MAX_TAGS] if isinstance(value, str))


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    return _clean(value) if isinstance(value, str) else ""


def _clean(text: str) -> str:
    # Half of a pair, which JSON may hold and UTF-8 cannot.
    return text[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")


def _is_address(url: str, like: str = "") -> bool:
    """Whether it is a whole url of a web server; where ``like`` is encrypted, so is what it leads to."""
    parts = urlsplit(url)
    schemes = ("https",) if like.startswith("https:") else ("http", "https")
    return parts.scheme in schemes and bool(parts.hostname)


def _check_url(url: str) -> None:
    with contextlib.suppress(ValueError):
        if len(url) <= MAX_URL and url.encode("utf-8") and _is_address(url):
            return
    raise ImJoyError(
        "gallery.url",
        f"{url[:MAX_TEXT]!r} is no address of a list of plugins.",
        fix="Give a url that begins with https:// or http://, or nothing for no list.",
    )


_asked: dict[tuple[str, int], Future[bytes]] = {}
_asking = Lock()


def fetch(url: str, limit: int) -> bytes:
    """Return what ``url`` answers with, at most ``limit`` bytes, within ``DEADLINE_SECONDS``.

    Proxies and certificates are those of the system and of the usual variables. Who asks while the same is asked gets
    that answer: of a server that never ends its own, one thread is waiting, however often it is asked.

    Raises ImJoyError ``gallery.unreachable`` and ``gallery.too-large``.
    """
    with _asking:
        answer = _asked.get((url, limit))
        if answer is None:
            answer = _asked[url, limit] = Future()
            Thread(target=_answer, args=(url, limit), daemon=True, name="public plugins").start()
    try:
        if not wait([answer], DEADLINE_SECONDS).done:
            raise _late()
        return answer.result()
    except (*Failures, ValueError) as error:
        raise ImJoyError(
            "gallery.unreachable",
            f"{urlsplit(url).hostname or url[:MAX_TEXT]} cannot be reached.",
            why=failure_reason(error, url),
            fix="Look whether this machine has a network, and HTTPS_PROXY where that needs a proxy.",
        ) from error
    finally:
        del answer  # its error holds this frame, and would live as long as that holds it


def _answer(url: str, limit: int) -> None:
    try:
        content = _read(url, limit)
    except Exception as error:  # it is raised where it is waited for
        _ended(url, limit).set_exception(error)
    else:
        _ended(url, limit).set_result(content)


def _ended(url: str, limit: int) -> Future[bytes]:
    with _asking:
        return _asked.pop((url, limit))


def _read(url: str, limit: int) -> bytes:
    end = time.monotonic() + DEADLINE_SECONDS
    content = bytearray()
    with open_url(url, timeout=SILENCE_SECONDS) as answer:
        while piece := answer.read1(PIECE_BYTES):
            content += piece
            if len(content) > limit:
                raise ImJoyError("gallery.too-large", f"{url[:MAX_TEXT]} has more than {limit >> 20} MiB.")
            if time.monotonic() > end:
                raise _late()
    return bytes(content)


def _late() -> TimeoutError:
    return TimeoutError(f"It did not end within {DEADLINE_SECONDS:.0f} s.")
