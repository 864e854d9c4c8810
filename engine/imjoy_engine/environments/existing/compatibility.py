"""Whether an environment that was there has what a plugin asks for: by comparing lists, before anything starts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.shell_words import shell_line
from imjoy_engine.environments.existing.installed import normal_name
from imjoy_engine.environments.existing.records import ExistingEnvironment
from imjoy_engine.environments.specs.conda_spec_parser import SUPPORTED_PYTHONS
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.processes.redact import redact

# One package under several names: who has any of them has what a plugin imports.
SAME_MODULES = (
    ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless", "opencv",
     "py-opencv"),
    ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tensorflow-intel", "tensorflow-macos"),
    ("torch", "pytorch", "pytorch-gpu", "pytorch-cpu"),
    ("onnxruntime", "onnxruntime-gpu"),
    ("scikit-image", "skimage"),
    ("scikit-learn", "sklearn"),
    ("pillow", "pil"),
    ("matplotlib", "matplotlib-base"),
)  # fmt: skip
# 20 of 57 published plugins use numpy undeclared, 9 requests.
RELIED_ON = ("numpy", "requests")
# What a worker brings itself, and what no plugin imports.
_NEVER_MISSED = frozenset(
    {"imjoy", "imjoy-rpc", "msgpack", "websockets", "pip", "setuptools", "wheel", "python"}
)
_CONDA = re.compile(r"(?:(?P<channel>.+)::)?(?P<name>[A-Za-z0-9_.-]+?)(?P<version>[=<>!~].*)?")
_URL_NAME = re.compile(r"(?:[#&]egg=(?P<egg>[\w.-]+)|/(?P<last>[\w.-]+?)(?:\.git)?(?:@[^/]*)?/?(?:#.*)?$)")
_WHEEL_NAME = re.compile(r"(?P<name>[\w.]+)-\d[^/]*\.whl")


@dataclass(frozen=True)
class Unmet:
    """Something that a plugin asks for and that is not there, or only in the version ``found``."""

    kind: str
    wanted: str
    found: str = ""

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.wanted} (there is {self.found})" if self.found else self.wanted


def unmet_requirements(spec: EnvironmentSpec, environment: ExistingEnvironment) -> list[Unmet]:
    """Return what ``spec`` asks for and ``environment`` has not, or too old, or too new."""
    unmet = []
    if spec.python not in (None, SUPPORTED_PYTHONS) and not _allows(spec.python or "", environment.version):
        unmet.append(Unmet("python", f"Python {spec.python}", environment.version))
    for requirement in spec.asked:
        one = _unmet_requirement(requirement, environment)
        unmet += [one] if one else []
    for package in spec.conda:
        one = _unmet_conda(package, environment)
        unmet += [one] if one else []
    # What lies in a work folder is for an environment that may be written to.
    unmet += [Unmet("local", line) for line in spec.local]
    return unmet


def missing_usual_packages(environment: ExistingEnvironment) -> list[str]:
    """Return what plugins rely on without asking, as they find it in every environment of ours, and is not there."""
    packages = {**environment.conda, **environment.packages}
    return [name for name in RELIED_ON if _found(name, packages) is None]


def unmet_error(
    plugin: str, spec: EnvironmentSpec, environment: ExistingEnvironment, unmet: list[Unmet]
) -> ImJoyError:
    """Return the error that lists what is missing, with what the person may type."""
    return ImJoyError(
        "env.lacks",
        redact(f"{environment.words} lacks what {plugin} asks for: {', '.join(map(str, unmet))}."),
        why="Nothing is ever installed into an environment of yours; this would do it:\n"
        + "\n".join(install_commands(spec, environment, unmet)),
        fix="Type that, or have the plugin run all the same: --anyway",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )


def install_commands(
    spec: EnvironmentSpec, environment: ExistingEnvironment, unmet: list[Unmet]
) -> list[str]:
    """Return the commands by which a person may add what is missing."""
    commands = []
    by_kind = {kind: [one.wanted for one in unmet if one.kind == kind] for kind in ("conda", "pip", "local")}
    if by_kind["conda"] and environment.kind == "conda":
        channels = [word for channel in spec.channels for word in ("-c", channel)]
        words = ["conda", "install", "--prefix", environment.prefix, *channels, *by_kind["conda"]]
        commands.append(shell_line(words))
    elif by_kind["conda"]:
        commands.append(
            f"(no command: {', '.join(by_kind['conda'])} come from conda, and this is no environment of conda)"
        )
    pip = [*by_kind["pip"], *(word for line in by_kind["local"] for word in line.split())]
    if pip:
        commands.append(redact(shell_line([environment.python, "-m", "pip", "install", *pip])))
    if any(one.kind == "python" for one in unmet):
        commands.append("(no command: another Python means another environment)")
    return commands


def _unmet_requirement(text: str, environment: ExistingEnvironment) -> Unmet | None:
    try:
        requirement = Requirement(text)
    except InvalidRequirement:
        name = _name_in_url(text)
        return None if name and _found(name, environment.packages) else Unmet("pip", text)
    if requirement.marker is not None and not requirement.marker.evaluate(dict(environment.markers)):
        return None
    name = normal_name(requirement.name)
    if name in _NEVER_MISSED:
        return None
    found = _found(name, environment.packages)
    if found is None:
        return Unmet("pip", text)
    return None if contains(requirement.specifier, found) else Unmet("pip", text, found)


def _unmet_conda(text: str, environment: ExistingEnvironment) -> Unmet | None:
    match = _CONDA.fullmatch(text)
    name = normal_name(match["name"]) if match else text
    if match is None or name in _NEVER_MISSED:
        return None
    there = {normal_name(key): version for key, version in environment.conda.items()}
    found = _found(name, {**environment.packages, **there})
    if found is None:
        return Unmet("conda", text)
    # What stands behind a second = is a build.
    version = re.sub(r"^(=[^=]+)=.*$", r"\1", match["version"] or "")
    return None if _allows(version, found) else Unmet("conda", text, found)


def _found(name: str, packages: Mapping[str, str]) -> str | None:
    """Return the version of a package, under this name or another one of the same; None when it is not there."""
    if name in packages:
        return packages[name]
    for names in SAME_MODULES:
        if name in names:
            return next((packages[other] for other in names if other in packages), None)
    return None


def _allows(constraint: str, version: str) -> bool:
    """Whether conda's ``constraint`` (``3.8``, ``=1.2``, ``>=3.6,<4``, ``1.2|1.3``) allows ``version``."""
    for alternative in constraint.split("|"):
        clauses = [_as_specifier(clause.strip()) for clause in alternative.split(",") if clause.strip()]
        try:
            if contains(SpecifierSet(",".join(clauses)), version):
                return True
        except InvalidSpecifier:
            return True  # not ours to judge
    return False


def _as_specifier(clause: str) -> str:
    clause = clause.removesuffix("=*")
    if clause.startswith(("==", "!=", "<", ">", "~=")):
        return clause
    number = clause.removeprefix("=").removesuffix(".*").removesuffix("*").rstrip(".")
    return f"=={number}.*" if number else ">=0"


def contains(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True  # a version that nobody can compare


def _name_in_url(url: str) -> str:
    wheel = _WHEEL_NAME.search(url)
    match = _URL_NAME.search(url)
    name = wheel["name"] if wheel else (match["egg"] or match["last"]) if match else ""
    return normal_name(name or "")
