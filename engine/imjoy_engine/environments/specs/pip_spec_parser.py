"""What stands after ``pip:`` or ``pip install``: packages, urls, files of the work folder, options."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imjoy_engine.environments.specs.folders import inner_path
from imjoy_engine.environments.specs.spec_errors import SpecErrors

# Options that change nothing where everything is installed afresh.
_POINTLESS_OPTIONS = frozenset(
    {
        "-I",
        "-U",
        "-q",
        "-y",
        "--disable-pip-version-check",
        "--force-reinstall",
        "--ignore-installed",
        "--no-cache-dir",
        "--no-warn-script-location",
        "--prefer-binary",
        "--quiet",
        "--upgrade",
        "--user",
    }
)
# Where else packages may be: usual for builds of PyTorch and its kin for one version of CUDA.
_INDEXES = {
    "-f": "--find-links",
    "--find-links": "--find-links",
    "-i": "--index-url",
    "--index-url": "--index-url",
    "--extra-index-url": "--extra-index-url",
}
_WEB_PAGE = re.compile(r"(?:https://|http://(?:127\.0\.0\.1|localhost)[:/])[^\s\"'<>\\]+")
_EDITABLE = frozenset({"-e", "--editable"})
_LISTING = frozenset({"-r", "--requirement"})
_URL = re.compile(r"(?:git\+(?:https?|ssh|git|file)|https?)://[^\s\"'<>\\]+")
_LOCAL = re.compile(r"[./~\\]|[A-Za-z]:[\\/]|file:|[^\s:]*\.(?:whl|zip|tar\.gz|tgz)$", re.IGNORECASE)
# The first of the spaces alone: from each of a thousand it would look at all that follow.
_SPACED_OPERATOR = re.compile(r"(?<!\s)\s*(===|==|~=|!=|<=|>=|<|>|,)\s*")
_BARE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_LINE_PARTS = re.compile(r"\s[-#;@]")
_EXTRAS = re.compile(r"[A-Za-z0-9._, -]*\]")
_NAME_SEPARATORS = re.compile(r"[-_.]+")
# What reads them takes time that grows with the square of their length.
MAX_REQUIREMENT_CHARACTERS = 1_000
_EXAMPLE = '"numpy", "numpy>=1.20" or "git+https://…"'


@dataclass(frozen=True)
class PipArgument:
    """One thing that pip is to do.

    ``kind`` is ``package`` (``text`` is a requirement in normal form), ``local`` (``text`` is a line of a requirements
    file with a path below the work folder), ``index`` (a line of a requirements file that names one) or ``note``
    (``text`` is for people).
    """

    kind: str
    text: str


def parse_pip_spec(text: str, spec_errors: SpecErrors, folder: str = "") -> Iterator[PipArgument]:
    """Yield what the arguments of ``pip install`` ask for; ``folder``, below the work folder, is what paths begin at.

    Raises:
        ImJoyError: ``env.requirement``, ``env.unsupported``, ``env.folder``.
    """
    whole = None if _LOCAL.match(text) else normal_requirement(text)
    if whole:
        yield PipArgument("package", whole)
        return
    words = iter(_words(text))
    for word in words:
        option, joined, value = word.partition("=")
        if word in _POINTLESS_OPTIONS:
            yield PipArgument("note", f"{word} was ignored: a plugin's environment is always made afresh.")
        elif option in _EDITABLE or option in _LISTING:
            target = value if joined else next(words, "")
            yield _file_option("-e" if option in _EDITABLE else "-r", target, text, spec_errors, folder)
        elif option in _INDEXES or option[:2] in ("-f", "-i"):
            place = value if joined else option[2:] if option not in _INDEXES else next(words, "")
            yield _index(_INDEXES.get(option) or _INDEXES[option[:2]], place, text, spec_errors, folder)
        elif word.startswith("-"):
            raise spec_errors.unsupported(f"the option {word} of pip ({text!r})")
        elif _LOCAL.match(word):
            yield PipArgument("local", _inner(word, spec_errors, folder))
        elif requirement := normal_requirement(word):
            yield PipArgument("package", requirement)
        else:
            raise spec_errors.requirement(word, text, _EXAMPLE)


def _index(option: str, place: str, text: str, spec_errors: SpecErrors, folder: str) -> PipArgument:
    if _WEB_PAGE.fullmatch(place) and "${" not in place and place.isprintable():
        return PipArgument("index", f"{option} {place}")
    if option != "--find-links" or not place or "://" in place:
        raise spec_errors.unsupported(
            f"the option {option} of pip without an https address ({text!r})",
            f'"pip: torch {option} https://…"',
        )
    return PipArgument("local", f"{option} {_inner(place, spec_errors, folder)}")


def _file_option(option: str, target: str, text: str, spec_errors: SpecErrors, folder: str) -> PipArgument:
    if not target:
        raise spec_errors.requirement(option, text, f'"pip: {option} ./folder"')
    if option == "-e" and target.startswith("git+") and (package := normal_requirement(target)):
        # An editable checkout would have to live somewhere; installed it is the same to a plugin.
        return PipArgument("package", package)
    return PipArgument("local", f"{option} {_inner(target, spec_errors, folder)}")


def _inner(path: str, spec_errors: SpecErrors, folder: str) -> str:
    """Return a path below the work folder as ``./a/b``; extras like ``.[all]`` stay."""
    # It becomes a line of a requirements file: ${NAME} would be one of the engine's variables, and what follows a
    # space an option, a marker or a comment.
    if "${" in path or not path.isprintable() or _LINE_PARTS.search(path):
        raise spec_errors.unsupported(f"the path {path!r}")
    bare, bracket, extras = path.partition("[")
    if bracket and not _EXTRAS.fullmatch(extras):
        raise spec_errors.unsupported(f"the path {path!r}")
    bare = bare.removeprefix("file://") if bare.startswith("file://.") else bare
    if folder and inner_path(bare.replace("..", "up")) is not None:
        # From a folder below the work folder a way up is meant, as long as it does not lead out.
        bare = posixpath.normpath(f"{folder}/{bare}".replace("\\", "/"))
    inner = inner_path(bare)
    if inner is None:
        raise spec_errors.folder(path)
    return f"./{inner}{bracket}{extras}" if inner != "." else f".{bracket}{extras}"


def normal_requirement(text: str) -> str | None:
    """Return ``text``, one requirement, in normal form, or None when it is none.

    Names are in their canonical spelling, version clauses sorted. The result is one line that means the same in a
    requirements file.
    """
    # A requirements file would put the engine's own environment variables in the place of ${NAME}.
    if "${" in text or not text.isprintable() or len(text) > MAX_REQUIREMENT_CHARACTERS:
        return None
    if _URL.fullmatch(text):
        return text
    if _BARE_NAME.fullmatch(text):
        return _canonical(text)
    # 20 ms to import, which most plugins need not wait for.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None
    if requirement.url and not _URL.fullmatch(requirement.url):
        return None
    requirement.name = _canonical(requirement.name)
    text = str(requirement)
    # packaging before 24.2 writes no blank before it, and the same plugin would be another environment.
    return re.sub(" ?@ ", " @ ", text, count=1) if requirement.url else text


def _canonical(name: str) -> str:
    return _NAME_SEPARATORS.sub("-", name).lower()


def _words(text: str) -> Iterable[str]:
    if "'" in text or '"' in text:
        try:
            return shlex.split(text)
        except ValueError:
            return [text]
    return _SPACED_OPERATOR.sub(r"\1", text).split()
