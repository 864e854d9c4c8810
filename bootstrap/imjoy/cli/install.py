"""``imjoy install``: shows the plan, carries it out, and for the scripts does the second half only."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click

from imjoy import __version__, render
from imjoy.cli.asking import confirm
from imjoy.cli.options import json_option
from imjoy.context import Context
from imjoy.effects.lock import refuse_when_locked
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.path.operations import running_shell
from imjoy.path.shells import Place, ShellName
from imjoy.provision.apply import Installation, environment_works, interpreter, works
from imjoy.provision.finish import Installed, finish
from imjoy.provision.installers import NAMES
from imjoy.provision.installers import distribution as table_of
from imjoy.provision.plan import Found, Plan, Wanted, Wish, look, make_plan
from imjoy.provision.receipt import lock_folder
from imjoy.provision.times import Took, measured, shares

SHA256_LENGTH = 64


@click.command(name="install")
@click.option("--prefix", metavar="DIR", help="The folder to make. [IMJOY_PREFIX; default: ~/ImJoyApp]")
@click.option(
    "--distribution",
    type=click.Choice(get_args(Wish)),
    envvar="IMJOY_DISTRIBUTION",
    default="auto",
    help="Where its Python comes from. auto: a conda that is here, else Miniconda, else Miniforge, else this Python.",
)
@click.option("--from", "source", metavar="SOURCE", help="A checkout's folder, a wheel, or a git url.")
@click.option(
    "--mirror", metavar="URL", envvar="IMJOY_MIRROR", help="Where the installers of conda lie instead."
)
@click.option(
    "--offline",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take the installer and all wheels from this folder.",
)
@click.option(
    "--installer",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Run this installer of Miniconda or Miniforge; needs --sha256.",
)
@click.option("--sha256", metavar="HASH", help="What the SHA-256 of --installer has to be.")
@click.option("--modify-path", is_flag=True, help="Also write the block of `imjoy path --apply`.")
@click.option("--start", is_flag=True, help="Afterwards start the engine and open the app.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Look, print the plan, change nothing.")
@click.option("--quiet", "-q", is_flag=True, help="Print errors only.")
@click.option("--verbose", "-v", is_flag=True, help="Show what the steps print, and how long each took.")
@click.argument("start_arguments", nargs=-1, metavar="[-- ARGUMENTS FOR IMJOY START]")
@click.version_option(__version__, message="imjoy %(version)s")
@click.option("--shell", type=click.Choice(get_args(ShellName)), hidden=True)
@click.option("--finish", "handed", metavar="JSON", hidden=True)
@json_option
@click.pass_obj
def command(
    context: Context,
    prefix: str | None,
    distribution: Wish,
    source: str | None,
    mirror: str | None,
    offline: Path | None,
    installer: Path | None,
    sha256: str | None,
    modify_path: bool,
    start: bool,
    yes: bool,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    shell: ShellName | None,
    handed: str | None,
    start_arguments: tuple[str, ...],
    as_json: bool,
) -> int:
    """Make a folder that has Python, conda and imjoy, and edit nothing else.

    Run it again at any time: it finishes what was interrupted, repairs, brings up to date, or finds nothing to do.
    """
    place = Place(context.home, context.environ, sys.platform)
    folder = context.layout(prefix).prefix
    chosen = shell or running_shell(place)
    if handed is not None:
        result = finish(_handed(handed), folder, chosen, context, place, modify_path=modify_path)
        if as_json:
            render.emit_json(result.as_json())
        elif not quiet:
            for line in _told(result, starting=start):
                render.say(line)
        return ExitCode.DONE
    if start_arguments and not start:
        raise click.UsageError("Arguments after -- go to imjoy start, and --start was not given.")
    if sha256 is not None and not (installer or mirror or offline):
        raise click.UsageError("--sha256 goes with --installer, --mirror or --offline.")
    _check_usage(distribution, installer, sha256)
    wanted = Wanted(folder, distribution, source, mirror, offline, installer, sha256)
    looked: list[Took] = []
    with measured("looking at the machine", looked):
        plan = _agreed_plan(wanted, context, ask=not (yes or dry_run or as_json))
    if plan.problems:
        return _refuse(plan, as_json=as_json)
    if plan.source.unreachable and plan.action != "none":
        raise ImJoyError(
            "install.network",
            f"{plan.source.place.removeprefix('git+')} cannot be reached, and nothing was changed.",
            why=plan.source.unreachable,
            fix="look at the network, or install from a file: --from FILE.whl",
            exit_code=ExitCode.NETWORK_NEEDED,
        )
    refuse_when_locked(lock_folder(folder))
    if dry_run:
        render.emit(plan, as_json=as_json)
        return ExitCode.DONE
    if plan.action == "repair" and not environment_works(folder) and not yes:
        _agree_to_rebuild(folder)
    arguments = ["--shell", chosen]
    arguments += [word for word, given in (("--json", as_json), ("--quiet", quiet)) if given]
    arguments += ["--modify-path"] if modify_path else []
    arguments += ["--start"] if start else []
    if plan.action != "none" and not (quiet or as_json):
        for line in (*_plan_lines(plan), ""):
            render.note(line)
    with render.progress() as shown:
        report = (lambda text, fraction: None) if quiet else shown
        installation = Installation(plan, context, report, verbose=verbose)
        code = installation.run(arguments)
    if verbose:
        for line in shares((*looked, *installation.times)):
            render.note(line)
    if start and code == ExitCode.DONE:
        os.execv(
            interpreter(folder),
            [
                str(interpreter(folder)),
                "-I",
                "-m",
                "imjoy",
                "start",
                "--serve",
                "--open",
                "--prefix",
                str(folder),
                *start_arguments,
            ],
        )
    return code


def _check_usage(distribution: Wish, installer: Path | None, sha256: str | None) -> None:
    if installer is not None and sha256 is None:
        raise click.UsageError("--installer needs --sha256.")
    if sha256 is not None and (
        len(sha256) != SHA256_LENGTH or not set(sha256.lower()) <= set("0123456789abcdef")
    ):
        raise click.UsageError(
            f"A SHA-256 has {SHA256_LENGTH} hexadecimal digits; --sha256 has {len(sha256)}."
        )
    if installer is not None and distribution not in ("miniconda", "miniforge"):
        raise click.UsageError("--installer wants --distribution miniconda or miniforge.")


def _agreed_plan(wanted: Wanted, context: Context, *, ask: bool) -> Plan:
    better = context.home / "ImJoyApp"

    def plan(use_conda: bool) -> tuple[Found, Plan]:
        found = look(wanted, context, works=works, python_works=environment_works, use_conda=use_conda)
        return found, make_plan(wanted, found, better_prefix=better)

    found, first = plan(use_conda=True)
    offered = first.distribution == "existing" and wanted.distribution == "auto" and first.action == "install"
    if offered and ask and sys.stdin.isatty() and found.conda is not None:
        question = (
            f"There is a conda {found.conda.version}: {found.conda.command}\n"
            f"Shall it make the environment {first.environment} for imjoy? It is not changed itself."
        )
        if not confirm(question, default=True):
            return plan(use_conda=False)[1]
    return first


def _agree_to_rebuild(folder: Path) -> None:
    question = (
        f"The Python in {folder} is broken and has to be made anew; packages that you added to it go. Do it?"
    )
    if not (sys.stdin.isatty() and confirm(question, default=False)):
        raise ImJoyError(
            "install.broken",
            f"The Python in {folder} is broken and was left as it is.",
            fix="imjoy install --yes makes it anew; packages that you added to it go",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )


def _refuse(plan: Plan, *, as_json: bool) -> int:
    offline = all(each.id.startswith("network.") for each in plan.problems)
    code = ExitCode.NETWORK_NEEDED if offline else ExitCode.PREFLIGHT_REFUSED
    if as_json:
        render.emit_json(plan.as_json())
        return code
    raise ImJoyError(
        "install.refused",
        "imjoy cannot be installed here yet, and nothing was changed.",
        why="\n".join(f"{each.what}\n  {each.fix}" for each in plan.problems),
        fix="mend these, then run it again",
        exit_code=code,
    )


def _handed(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ImJoyError("install.handed", "--finish wants a JSON object.", exit_code=ExitCode.USAGE)
    return document


@render.show.register
def _(result: Plan) -> None:
    for line in _plan_lines(result):
        render.say(line)
    if result.action == "none":
        render.say("\nNothing to do: it is installed and works.")
    else:
        render.say("\n".join(["", "Steps:", *(f"  - {step}" for step in result.steps)]))


def _plan_lines(plan: Plan) -> Iterator[str]:
    titles = {
        "finish": "Finish an interrupted install of imjoy",
        "upgrade": "Bring imjoy up to date",
        "repair": "Repair imjoy",
        "none": "Look at imjoy",
    }
    yield titles.get(plan.action, "Install imjoy")
    yield f"  into  {plan.prefix}"
    yield f"  from  {plan.source.place}"
    yield f"  with  {_described(plan)}"
    if plan.environment is not None:
        yield f"  in    {plan.environment}, which {plan.prefix} is a link to"
    for notice in plan.notices:
        yield f"  note  {notice}"


def _described(plan: Plan) -> str:
    if plan.conda is not None:
        return f"conda {plan.conda.version} ({plan.conda.command})"
    if plan.installer is not None and plan.distribution in NAMES:
        table = table_of(plan.distribution)
        return f"{table.title} {table.version}"
    if plan.distribution == "venv" and plan.action in ("install", "finish"):
        return f"Python {platform.python_version()} ({sys.executable})"
    return f"its {plan.distribution}"


def _told(result: Installed, *, starting: bool) -> Iterator[str]:
    if result.action == "none":
        yield f"imjoy {result.version} in {result.prefix} works; nothing was changed."
        # Otherwise the plan, which was shown before, has them.
        for notice in result.notices:
            yield f"Note: {notice}."
    else:
        yield f"\nimjoy {result.version} is in {result.prefix}."
    if result.edited:
        yield f"\n{result.edited} puts it on PATH from the next session on. In this {result.shell}, type"
        yield f"    {result.path_line}"
    elif not result.on_path:
        yield f"\nFor the imjoy command in this {result.shell}, type\n    {result.path_line}"
        command = shlex.quote(str(result.command)) if os.name == "posix" else f'& "{result.command}"'
        yield f"and for every one to come\n    {command} path --apply"
    if not starting:
        yield "\nStart the engine and open the app with\n    imjoy start --serve --open"
