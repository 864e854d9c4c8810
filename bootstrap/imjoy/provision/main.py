"""Every install and uninstall: arguments, plan, effects, result, rendering.

Every install starts here: ``install.sh``, ``install.ps1`` and ``python -m imjoy`` of an old Python find or fetch a
Python and hand over with the options as they were typed; ``imjoy install`` and ``imjoy uninstall`` call it. It needs
the standard library alone, from Python 3.9 on, and runs unbuilt: from a checkout, out of a wheel, or where it is
installed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from imjoy import __version__
from imjoy.context import Context
from imjoy.desktop import MENU
from imjoy.effects.machine.browser import browser_at_hand
from imjoy.effects.machine.streams import prepare_streams
from imjoy.effects.machine.terminal import StepLines, can_prompt, confirm, write
from imjoy.effects.processes.process import ask
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import DEFAULT_PREFIX_NAME
from imjoy.path.operations import path_guidance
from imjoy.path.shells import ShellEnvironment, shell_of_program
from imjoy.provision import rendering
from imjoy.provision.apply import Installation, environment_works, interpreter, works
from imjoy.provision.arguments import Arguments, check, help_text, parse
from imjoy.provision.facts.install_script import (
    ARGUMENTS_VARIABLE,
    InstallScript,
    read_install_script,
    without_script_variables,
)
from imjoy.provision.plan import Plan, Wanted, look, make_plan
from imjoy.provision.records.conda_link import environment_of
from imjoy.provision.records.record import read_state, refuse_when_busy
from imjoy.provision.records.temporary_folders import note_user, places, remove_abandoned
from imjoy.provision.steps.timings import StepTime, measured, shares

if TYPE_CHECKING:
    from imjoy.provision.uninstall import Uninstall

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
ASK_SECONDS = 10.0
SHELLS_OF_SCRIPTS = ("sh", "dash")


def main(typed: Sequence[str]) -> int:
    """Run ``install`` or ``uninstall`` with the options behind it, and return the exit code; never raises."""
    prepare_streams()
    context = Context.of_this_process()
    script = read_install_script(context.environ)
    verb, options = (typed[0], list(typed[1:])) if typed else ("install", [])
    file = context.environ.get(ARGUMENTS_VARIABLE)
    run = _Run(verb, context, script)
    if script.folder is not None:
        note_user(script.folder)
    try:
        if file:
            # A script whose arguments a shell would change writes them to a file, one a line.
            options = Path(file).read_text(encoding="utf-8-sig").splitlines()
        with _signals_interrupt():
            return run.run(options)
    except ImJoyError as error:
        run.steps.close("failed")
        rendering.show_error(error, as_json="--json" in options)
        return int(error.exit_code)
    except KeyboardInterrupt:
        run.steps.close("interrupted")
        with suppress(OSError):
            write(run.interrupted(), sys.stderr)
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Keep the interpreter from flushing into what is closed when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)
    except Exception as error:
        from imjoy.bug_report import write_bug_report

        run.steps.close("failed")
        rendering.show_error(write_bug_report(error, context, options), as_json="--json" in options)
        return int(ExitCode.OUR_BUG)


class _Run:
    """One run of the planner."""

    def __init__(self, verb: str, context: Context, script: InstallScript) -> None:
        self.steps = StepLines()
        self._verb = verb
        self._context = context
        self._script = script
        self._removing = False
        self._prefix: Path | None = None

    def run(self, options: Sequence[str]) -> int:
        """Do what the options say; return the exit code."""
        arguments = parse(options, self._script, uninstalling=self._verb == "uninstall")
        verb = "uninstall" if arguments.has("uninstall") else self._verb
        self._verb = verb
        if arguments.has("help"):
            sys.stdout.write(help_text(verb, self._script))
            return ExitCode.DONE
        if arguments.has("version"):
            write(f"imjoy {__version__}", sys.stdout)
            return ExitCode.DONE
        if arguments.has("verbose"):
            self.steps = StepLines(times=False)
        if "distribution" not in arguments.values and (
            named := self._context.environ.get("IMJOY_DISTRIBUTION")
        ):
            arguments.values["distribution"] = named
        if "mirror" not in arguments.values and (named := self._context.environ.get("IMJOY_MIRROR")):
            arguments.values["mirror"] = named
        check(arguments, self._script)
        self._prefix = self._find_prefix(arguments)
        return self._uninstall(arguments) if verb == "uninstall" else self._install(arguments)

    def interrupted(self) -> str:
        """Return what a run that was interrupted has left behind."""
        prefix = self._prefix or Path(DEFAULT_PREFIX_NAME)
        return rendering.interrupted_line(
            self._script,
            removing=self._removing,
            uninstalling=self._verb == "uninstall",
            prefix=prefix,
            marked=read_state(environment_of(prefix)) is not None,
        )

    def _find_prefix(self, arguments: Arguments) -> Path:
        given = arguments.values.get("prefix") or self._context.environ.get("IMJOY_PREFIX")
        if given:
            return Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100 - resolves `..` without following links
        if os.name == "posix" and not self._context.environ.get("HOME"):
            raise ImJoyError(
                "prefix.unknown",
                "HOME is not set, so there is no ~/ImJoyApp to install into.",
                fix="give a folder: --prefix DIR",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            )
        return self._context.home / DEFAULT_PREFIX_NAME

    # --- install ---

    def _install(self, arguments: Arguments) -> int:
        prefix, as_json, quiet = self._prefix, arguments.has("json"), arguments.has("quiet")
        assert prefix is not None
        wanted = Wanted(
            prefix=prefix,
            distribution=arguments.values.get("distribution", "auto"),  # type: ignore[arg-type]
            source=arguments.values.get("from"),
            mirror=arguments.values.get("mirror"),
            offline=arguments.path("offline"),
            installer=arguments.path("installer"),
            sha256=arguments.values.get("sha256"),
            python_url=self._context.environ.get("IMJOY_PYTHON_URL", ""),
            python_sha256=self._context.environ.get("IMJOY_PYTHON_SHA256", ""),
        )
        looked: list[StepTime] = []
        dry_run, yes = arguments.has("dry-run"), arguments.has("yes")
        with measured("looking at the machine", looked):
            plan = self._agreed_plan(wanted, ask_about_conda=not (yes or dry_run or as_json))
        if plan.problems:
            if as_json:
                rendering.emit_json(plan.as_json())
            rendering.show_refusal(plan)
            offline = all(each.id.startswith("network.") for each in plan.problems)
            return ExitCode.NETWORK_NEEDED if offline else ExitCode.PREFLIGHT_REFUSED
        if plan.source.unreachable and plan.action != "none":
            raise ImJoyError(
                "network.source",
                f"{plan.source.place.replace('git+', '', 1)} cannot be reached, and nothing was changed.",
                why=plan.source.unreachable,
                fix="look at the network, or install from a file: --from FILE.whl",
                exit_code=ExitCode.NETWORK_NEEDED,
            )
        refuse_when_busy(plan.target)
        if dry_run:
            if as_json:
                rendering.emit_json(plan.as_json())
            else:
                rendering.show_plan(plan, self._context)
            return ExitCode.DONE
        if plan.action == "repair" and plan.make_python and not yes:
            self._agree_to_rebuild(prefix)
        if plan.action != "none" and not quiet:
            for line in (*rendering.plan_lines(plan, self._context, to_stderr=True), ""):
                write(line, sys.stderr)
        return self._carry_out(plan, self._agreed_desktop(plan, self._agreed_path(plan, arguments)), looked)

    def _carry_out(self, plan: Plan, arguments: Arguments, looked: list[StepTime]) -> int:
        quiet = arguments.has("quiet")
        passed_on = [f"--{flag}" for flag in ("json", "quiet", "modify-path", "start") if arguments.has(flag)]
        if shell := self._shell(arguments):
            passed_on += ["--shell", shell]
        report = (lambda title, fraction: None) if quiet else self.steps
        context = replace(self._context, environ=without_script_variables(self._context.environ))
        remove_abandoned(places(plan.prefix))
        verbose, desktop = arguments.has("verbose"), arguments.has("desktop")
        installation = Installation(plan, context, _Reporter(report), verbose=verbose, desktop=desktop)
        code = installation.run(passed_on)
        if desktop and code == ExitCode.DONE and not _knows_menus(plan.prefix):
            write(
                f"\nImJoy is not in {MENU}: the imjoy that was installed knows no menu.",
                sys.stderr,
            )
        if verbose:
            for line in shares((*looked, *installation.times)):
                write(line, sys.stderr)
        if arguments.has("start") and code == ExitCode.DONE:
            return self._start(plan.prefix, arguments)
        return code

    def _agreed_plan(self, wanted: Wanted, *, ask_about_conda: bool) -> Plan:
        def plan(use_conda: bool) -> Plan:
            found = look(
                wanted,
                self._context,
                self._script,
                works=works,
                python_works=environment_works,
                use_conda=use_conda,
            )
            return make_plan(wanted, found, better_prefix=self._context.home / DEFAULT_PREFIX_NAME)

        first = plan(use_conda=True)
        offered = (
            first.distribution == "existing" and wanted.distribution == "auto" and first.action == "install"
        )
        if offered and ask_about_conda and first.conda is not None:
            question = (
                f"There is a conda {first.conda.version}: {first.conda.command}\n"
                f"Shall it make the environment {first.environment} for imjoy? It is not changed itself."
            )
            if not confirm(question, default=True):
                return plan(use_conda=False)
        return first

    def _agreed_path(self, plan: Plan, arguments: Arguments) -> Arguments:
        """Ask at a first install, once, whether to put imjoy on PATH; return the arguments with a yes."""
        if not self._may_ask(plan, arguments, "modify-path", "no-modify-path"):
            return arguments
        shell = shell_of_program(self._shell(arguments)) or ("powershell" if os.name == "nt" else "bash")
        try:
            guidance = path_guidance(
                plan.prefix, shell, ShellEnvironment(self._context.home, self._context.environ, sys.platform)
            )
        except ImJoyError:
            # A PATH cannot carry the prefix's name; what the install says at its end explains that.
            return arguments
        if guidance.on_path or guidance.applied:
            return arguments
        file = Path(guidance.file)
        place = self._context.tilde(file) if file.is_absolute() else guidance.file
        if not confirm(
            f"Put the imjoy command on PATH, in {place}? imjoy uninstall takes it out again.", default=True
        ):
            return arguments
        return replace(arguments, flags=arguments.flags | {"modify-path"})

    def _agreed_desktop(self, plan: Plan, arguments: Arguments) -> Arguments:
        """Ask at a first install, once, whether to put ImJoy into the desktop's menu, where there is a desktop."""
        if not self._may_ask(plan, arguments, "desktop", "no-desktop"):
            return arguments
        question = f"Put ImJoy into {MENU}? imjoy uninstall takes it out again."
        if not browser_at_hand(self._context.environ) or not confirm(question, default=True):
            return arguments
        return replace(arguments, flags=arguments.flags | {"desktop"})

    @staticmethod
    def _may_ask(plan: Plan, arguments: Arguments, *answered: str) -> bool:
        if plan.action not in ("install", "finish"):
            return False
        if any(map(arguments.has, (*answered, "yes", "json", "quiet"))):
            return False
        # What is piped elsewhere is no dialogue, even where there is a terminal.
        return sys.stderr.isatty() and can_prompt()

    def _agree_to_rebuild(self, prefix: Path) -> None:
        question = f"The Python in {prefix} is broken and has to be made anew; packages that you added to it go. Do it?"
        if not confirm(question, default=False):
            raise ImJoyError(
                "install.broken",
                f"The Python in {prefix} is broken and was left as it is.",
                fix=f"{self._script.command} --yes builds it again; packages that you added to it are lost",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            )

    def _shell(self, arguments: Arguments) -> str:
        """Return the shell that the line was typed in, as far as it is known: its start-up file is the one to name."""
        named = arguments.values.get("shell") or self._script.shell
        if named and not named.isdigit():
            return shell_of_program(named) or named
        if os.name != "posix":
            return ""
        process = named or str(os.getppid())
        try:
            program = Path("/proc", process, "comm").read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            program = ask(["ps", "-o", "comm=", "-p", process], timeout=ASK_SECONDS).stdout.strip()
        usual = self._context.environ.get("SHELL", "")
        # Whoever types into a shell has a better one than that which scripts run in.
        first, second = (usual, program) if _name_of(program) in SHELLS_OF_SCRIPTS else (program, usual)
        return shell_of_program(first) or shell_of_program(second) or ""

    def _start(self, prefix: Path, arguments: Arguments) -> int:
        """Become ``imjoy start``, which wants the terminal for Ctrl-C and questions; stdin may still be a pipe."""
        python = str(interpreter(prefix))
        command = [python, "-I", "-m", "imjoy", "start", "--serve", "--open", "--prefix", str(prefix)]
        command += arguments.words
        sys.stdout.flush()
        sys.stderr.flush()
        environ = without_script_variables(self._context.environ)
        if os.name != "posix":
            return subprocess.run(command, env=environ, check=False).returncode
        if not sys.stdin.isatty():
            with suppress(OSError):
                terminal = os.open("/dev/tty", os.O_RDONLY)
                os.dup2(terminal, 0)
        # This process would remove the script's folder when it ends, but it becomes another program.
        if self._script.folder is not None:
            shutil.rmtree(self._script.folder, ignore_errors=True)
        os.execve(python, command, environ)

    # --- uninstall ---

    def _uninstall(self, arguments: Arguments) -> int:
        from imjoy.provision.uninstall import plan_uninstall, uninstall

        context, as_json = self._context, arguments.has("json")
        layout = context.layout(str(self._prefix))
        plan = plan_uninstall(
            layout,
            context,
            self._script,
            with_workspace=arguments.has("workspace"),
            with_caches=arguments.has("caches"),
        )
        if arguments.has("dry-run") or plan.empty:
            self._show(plan, as_json=as_json, quiet=False)
            return ExitCode.DONE
        if not arguments.has("yes"):
            self._agree_to_remove(plan, as_json=as_json)
        self._removing = True
        remove_abandoned(places(plan.prefix))
        quiet = arguments.has("quiet")
        done = uninstall(plan, layout, context, self._script, (lambda title: None) if quiet else self.steps)
        self.steps.close()
        self._removing = False
        self._show(done, as_json=as_json, quiet=quiet)
        return ExitCode.DONE

    def _agree_to_remove(self, plan: Uninstall, *, as_json: bool) -> None:
        if as_json or not can_prompt():
            raise ImJoyError(
                "uninstall.unconfirmed",
                "Nothing was removed, because there is no terminal to ask on.",
                fix=f"{self._script.uninstall_command} --yes",
                exit_code=ExitCode.USAGE,
            )
        for line in rendering.uninstall_lines(plan, self._context):
            write(line, sys.stderr)
        if not confirm("Remove all of it?", default=False):
            raise ImJoyError(
                "uninstall.unconfirmed",
                "Nothing was removed, because you did not answer yes.",
                fix=f"{self._script.uninstall_command} --yes",
                exit_code=ExitCode.USAGE,
            )

    def _show(self, result: Uninstall, *, as_json: bool, quiet: bool) -> None:
        if as_json:
            rendering.emit_json(result.as_json())
        elif not quiet:
            for line in rendering.uninstall_lines(result, self._context):
                write(line, sys.stdout)


def _name_of(program: str) -> str:
    """Return a program's name, which `ps` of macOS gives with its folder, and with a - where it is a login shell."""
    return Path(program.lstrip("-")).name


def _knows_menus(prefix: Path) -> bool:
    """Whether the imjoy of a prefix is new enough to put itself into a desktop's menu."""
    sites = [*prefix.glob("lib/python3*/site-packages"), *prefix.glob("Lib/site-packages")]
    return any((each / "imjoy" / "desktop").is_dir() for each in sites)


class _Reporter:
    """Ends the line of the last step before the second half prints lines of its own."""

    def __init__(self, report: object) -> None:
        self._report = report

    def __call__(self, title: str, fraction: float | None = None) -> None:
        if isinstance(self._report, StepLines):
            self._report(title, fraction)


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """While it is entered, the first request to end raises KeyboardInterrupt, and later ones wait for the cleaning."""
    came = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if not came:
            came = True
            raise KeyboardInterrupt

    # What is ignored already stays so: that is how nohup works.
    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
