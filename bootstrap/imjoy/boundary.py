"""Where exceptions end: a message with its exit code, or a scrubbed log file for what we did not foresee."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import click

from imjoy.context import Context
from imjoy.model.errors import ExitCode, ImJoyError


def guard(action: Callable[[], int], context: Context, arguments: Sequence[str]) -> int:
    """Run ``action`` and return the exit code, whatever it raises; says on stderr, or as JSON, what went wrong."""
    as_json = "--json" in arguments
    try:
        code = action()
        # What a closed pipe swallows shows here, not in the interpreter's last breath.
        sys.stdout.flush()
        return code
    except ImJoyError as error:
        return _tell(error, as_json)
    except click.ClickException as error:
        return _tell(_usage_error(error), as_json)
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough; keep the interpreter from flushing into the closed pipe at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as error:
        from imjoy.bug_report import write_bug_report

        return _tell(write_bug_report(error, context, arguments), as_json)


def _tell(error: ImJoyError, as_json: bool) -> int:
    from imjoy import render

    render.error(error, as_json=as_json)
    return error.exit_code


def _usage_error(error: click.ClickException) -> ImJoyError:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "imjoy"
    message = error.format_message()
    return ImJoyError(
        "usage",
        message if message.endswith((".", "?")) else message + ".",
        fix=f"{command} --help",
        exit_code=ExitCode.USAGE,
    )
