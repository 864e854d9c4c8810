"""``imjoy completion``: the script that has a shell complete, and what that asks."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from imjoy import render
from imjoy.cli.installation.completion_candidates import complete
from imjoy.cli.options import json_option
from imjoy.context import Context
from imjoy.effects.machine.own_command import NAME
from imjoy.model.errors import ExitCode
from imjoy.path.completion import COMPLETING, Completing, completion_script


@click.command(name="completion")
@click.argument("words", nargs=-1, metavar="SHELL")
@click.option("--current", hidden=True, help="The word to complete; those before it are the arguments.")
@json_option
@click.pass_obj
def command(context: Context, words: tuple[str, ...], current: str | None, as_json: bool) -> int:
    """Print what has a shell complete commands, options and names: bash, zsh, fish or powershell.

    `imjoy path --apply` has it read by every session to come. For this one: source <(imjoy completion bash),
    imjoy completion fish | source, or imjoy completion powershell | Out-String | Invoke-Expression.
    """
    if current is not None:
        for each in complete(words, current, context):
            render.say(f"{each.word}\t{each.meaning}" if each.meaning else each.word)
        return ExitCode.DONE
    shell: Completing | None = next((each for each in COMPLETING if words == (each,)), None)
    if shell is None:
        raise click.UsageError(f"Name one shell: {', '.join(COMPLETING)}.")
    program = Path(sys.argv[0])
    ours = program.stem.lower() == NAME and program.is_file()
    script = completion_script(shell, str(program.absolute()) if ours else NAME)
    if as_json:
        render.emit_json({"shell": shell, "script": script})
    else:
        render.output(script, to_stdout=True)
    return ExitCode.DONE
