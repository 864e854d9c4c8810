"""``imjoy doctor``: find out what is wrong, say what to type, and repair it."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from pathlib import Path

import click

from imjoy import render
from imjoy.cli.options import json_option, layout_options
from imjoy.cli.prompts import confirm
from imjoy.context import Context
from imjoy.doctor.model import CheckResult, Examination, FixResult, Machine
from imjoy.doctor.registry import all_checks, select
from imjoy.doctor.runner import CheckOutcome, examination, examine, judge, repair
from imjoy.engines.ports import HIGHEST_PORT
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import DEFAULT_HOST, DEFAULT_PORT

WIDTH_WITHOUT_TERMINAL = 100
# Checks and reports are over before that, mostly; a bar that only flashes up tells nothing.
PATIENCE_SECONDS = 1.0


@click.group(
    name="doctor",
    invoke_without_command=True,
    options_metavar="[OPTIONS]",
    subcommand_metavar="[explain ID]",
    epilog="Exit code: 0 when all is well or there are only warnings, 1 when something is wrong, "
    "2 when the command was typed wrong.",
)
@click.option("--only", multiple=True, metavar="GROUP|ID", help="Look at these only; may be repeated.")
@click.option("--list", "as_list", is_flag=True, help="List the checks and look at nothing.")
@click.option("--offline", is_flag=True, help="Skip what needs a network.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
@click.option("--fix", is_flag=True, help="Repair what can be repaired; asks before each.")
@click.option("--yes", is_flag=True, help="With --fix and --kill: do not ask.")
@click.option(
    "--report", type=click.Path(dir_okay=False), help="Write what was found, redacted, into this file."
)
@click.option("-v", "--verbose", is_flag=True, help="Say how many milliseconds each check took.")
@click.option(
    "--port", type=click.IntRange(1, HIGHEST_PORT), metavar="N", help="List who listens on this port."
)
@click.option("--kill", "kill_pid", type=int, metavar="PID", help="With --port: stop this process.")
@click.option("--cluster", is_flag=True, help="Submit one trivial job, and say which step of it fails.")
@layout_options
@json_option
@click.pass_context
def command(
    click_context: click.Context,
    /,
    *,
    only: tuple[str, ...],
    as_list: bool,
    offline: bool,
    strict: bool,
    fix: bool,
    yes: bool,
    report: str | None,
    verbose: bool,
    port: int | None,
    kill_pid: int | None,
    cluster: bool,
    workspace: str | None,
    prefix: str | None,
    as_json: bool,
) -> int | None:
    """Check everything that can be wrong; say what is wrong, why, and what to type.

    `imjoy doctor explain ID` explains the cause of a problem and its fix. With --port alone, only that port is checked.
    """
    if click_context.invoked_subcommand is not None:
        return None
    context: Context = click_context.obj
    layout = context.layout(prefix, workspace)
    if kill_pid is not None and port is None:
        raise click.UsageError("--kill needs --port.", click_context)
    if port is not None and (kill_pid is not None or not only):
        from imjoy.cli.port_dialogue import list_port, stop_by_hand

        if kill_pid is not None:
            return stop_by_hand(port, kill_pid, yes=yes, as_json=as_json)
        return list_port(port, as_json=as_json)
    if cluster:
        from imjoy.doctor.cluster import examine_cluster

        result = examine_cluster(machine_of(context, layout, port or DEFAULT_PORT))
        _show(result, context, as_json=as_json, verbose=verbose)
        return ExitCode.FAILED if result.failed(strict=strict) else ExitCode.DONE
    checks = select(all_checks(), only)
    if as_list:
        if as_json:
            render.emit_json({"checks": [{"id": each.id, "title": each.title} for each in checks]})
        for each in () if as_json else checks:
            render.say(f"{each.id:<18} {each.title}")
        return ExitCode.DONE
    machine = machine_of(context, layout, port or DEFAULT_PORT)

    watch = _Watch()
    begin = time.monotonic()
    outcomes = examine(checks, machine, offline=offline, report=watch)
    fixes: list[FixResult] = []
    if fix and any(each.fix for each in outcomes):
        watch.close()
        _show_plan(outcomes)
        fixes = repair(outcomes, lambda result: _agreed(result, yes=yes, as_json=as_json))
        begin = time.monotonic()
        if fixes:
            again = examine(checks, machine, offline=offline, report=watch)
            outcomes, fixes = again, judge(fixes, before=outcomes, after=again)
    watch.close()
    result = examination(outcomes, time.monotonic() - begin, fixes)
    _show(result, context, as_json=as_json, verbose=verbose)
    if report is not None:
        _write_report(Path(report), result, context, layout)
    return ExitCode.FAILED if result.failed(strict=strict) else ExitCode.DONE


@command.command(name="explain", short_help="Print the cause of a finding and how to repair it.")
@click.argument("id")
@json_option
def explain(id: str, as_json: bool) -> int:
    """Print the cause of what a check finds, and the fix; `imjoy doctor --list` has the ids."""
    check = select(all_checks(), [id])[0]
    if as_json:
        render.emit_json({"id": check.id, "title": check.title, "explanation": check.explanation})
    else:
        width = _width()
        paragraphs = check.explanation.split("\n\n")
        render.say(f"{check.id}: {check.title}\n")
        render.say("\n\n".join(textwrap.fill(each, width, break_on_hyphens=False) for each in paragraphs))
    return ExitCode.DONE


def machine_of(context: Context, layout: Layout, port: int) -> Machine:
    """Return what is to be examined."""
    from imjoy.path.operations import running_shell
    from imjoy.path.shells import ShellEnvironment

    shell = running_shell(ShellEnvironment(context.home, context.environ, sys.platform))
    # `python -m` puts the current folder first, where a checkout's metadata may lie.
    folders = tuple(each for each in sys.path if each and Path(each) != Path.cwd())
    return Machine(context, layout, DEFAULT_HOST, port, shell=shell, search_path=folders)


class _Watch:
    """Shows on a terminal how far an examination is, once it takes longer than a moment."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._progress = render.Progress()

    def __call__(self, done: int, total: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._begin > PATIENCE_SECONDS:
            self._progress(f"looking: {done} of {total}", done / total)

    def close(self) -> None:
        self._progress.close()


def _show(result: Examination, context: Context, *, as_json: bool, verbose: bool) -> None:
    if as_json:
        render.emit(result, as_json=True)
        return
    from imjoy.doctor.text import fix_lines, lines_of, shortened

    result, width = shortened(result, context.home), _width()
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    if result.fixes:
        render.styled([[("", "")], [("Done", "bold")]])
        render.styled([line for each in result.fixes for line in fix_lines(each, width=width)])
    render.styled(lines_of(result, width=width, ascii_only=encoding != "utf8", with_milliseconds=verbose))


def _width() -> int:
    return shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 0)).columns


def _show_plan(outcomes: list[CheckOutcome]) -> None:
    from imjoy.doctor.text import titled

    planned = [each.result for each in outcomes if each.fix]
    rows = [line for each in planned for line in titled(each.id, each.fix, width=_width())]
    render.styled([[("What can be repaired", "bold")], *rows], to_stderr=True)


def _agreed(result: CheckResult, *, yes: bool, as_json: bool) -> bool:
    if yes:
        # Installing again takes a while.
        render.note(f"{result.id}: repairing")
        return True
    if as_json or not sys.stdin.isatty():
        raise ImJoyError(
            "doctor.unconfirmed",
            "Nothing was repaired, because there is no terminal to ask on.",
            fix="imjoy doctor --fix --yes",
            exit_code=ExitCode.USAGE,
        )
    return confirm(f"{result.id}: do it?", default=False)


def _write_report(file: Path, result: Examination, context: Context, layout: Layout) -> None:
    from imjoy.doctor.report import report_text

    try:
        file.write_text(report_text(result, context, layout), encoding="utf-8")
    except OSError as error:
        raise ImJoyError(
            "doctor.no-report",
            f"The report cannot be written to {file}.",
            why=str(error),
            fix="imjoy doctor --report OTHER-FILE",
        ) from error
    render.note(f"The report is in {file}: no token, no home folder and no user name is in it.")
