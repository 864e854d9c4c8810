"""Where exceptions end: a message with its exit code, or a redacted log file for what we did not foresee."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import click

from imjoy.context import Context
from imjoy.effects.disk.files import file_error
from imjoy.effects.machine.streams import give_up_output, output_failure
from imjoy.model.errors import ExitCode, ImJoyError

NOBODY_READS = (errno.EPIPE, errno.EIO)
"""A reader that has seen enough, and a terminal that was closed."""


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
    except OSError as error:
        if error.errno in NOBODY_READS:
            give_up_output()
            return ExitCode.DONE
        if (failure := output_failure()) is not None:
            give_up_output()
            return _tell(_no_output(failure), as_json=False)
        if (refused := file_error(error)) is not None:
            return _tell(refused, as_json)
        return _tell_bug(error, context, arguments, as_json)
    except Exception as error:
        return _tell_bug(error, context, arguments, as_json)


def _tell_bug(error: Exception, context: Context, arguments: Sequence[str], as_json: bool) -> int:
    from imjoy.bug_report import write_bug_report

    return _tell(write_bug_report(error, context, arguments), as_json)


def _tell(error: ImJoyError, as_json: bool) -> int:
    from imjoy import render

    # Where nobody can read it, the exit code still tells.
    with suppress(OSError):
        render.error(error, as_json=as_json)
    return error.exit_code


def _no_output(failure: OSError) -> ImJoyError:
    return ImJoyError(
        "output.unwritable",
        "The output cannot be written.",
        why=f"Standard output: {failure.strerror or failure}",
        fix="Send it to a place that can be written and has space.",
    )


def _usage_error(error: click.ClickException) -> ImJoyError:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "imjoy"
    message = _no_such_option(error) if isinstance(error, click.NoSuchOption) else error.format_message()
    return ImJoyError(
        "usage",
        message if message.endswith((".", "?")) else message + ".",
        fix=f"{command} --help",
        exit_code=ExitCode.USAGE,
    )


def _no_such_option(error: click.NoSuchOption) -> str:
    from difflib import get_close_matches

    known = [each for option in (error.ctx.command.params if error.ctx else ()) for each in option.opts]
    # The last two stand before any verb, too, and are none of a verb's own.
    meant = get_close_matches(error.option_name, [*known, "--version", "--help"], n=1)
    hint = f" Did you mean `{meant[0]}`?" if meant else ""
    return f"There is no option `{error.option_name}`.{hint}"
