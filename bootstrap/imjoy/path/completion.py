"""What has a shell complete the arguments of `imjoy`: a script for each shell that asks `imjoy completion`; pure."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from imjoy.path.shells import ShellName

Completing = Literal["bash", "zsh", "fish", "powershell"]
COMPLETING: tuple[Completing, ...] = get_args(Completing)
FILES = ":files"
"""The answer that stands for "files and folders", which shells know best."""
_ENDS = {"bash": "bash", "zsh": "zsh", "fish": "fish", "powershell": "ps1"}

# Each answer is a line: the word, and behind a tab what it means. `--current` cannot get lost, as an empty word does in
# Windows PowerShell.
_SCRIPTS: dict[Completing, str] = {
    "bash": r"""_imjoy() {
  local word line current="${COMP_WORDS[COMP_CWORD]}" IFS=$'\n'
  local words=()
  # bash takes `=` for a word of its own.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [ "$word" = = ] || words+=("$word")
  done
  [ "$current" != = ] || current=
  COMPREPLY=()
  for line in $(PROGRAM completion "--current=$current" -- ${words[@]+"${words[@]}"} 2>/dev/null); do
    line=${line%%$'\t'*}
    case $line in
    :files) ;;
    *" "*) COMPREPLY+=("$(printf %q "$line")") ;;
    *) COMPREPLY+=("$line") ;;
    esac
  done
}
complete -o default -F _imjoy imjoy
""",
    "zsh": r"""#compdef imjoy
_imjoy() {
  local line
  local -a answers described
  answers=("${(@f)$(PROGRAM completion "--current=$words[CURRENT]" -- "${(@)words[2,CURRENT-1]}" 2>/dev/null)}")
  if [[ $answers[1] == :files ]]; then
    _files
    return
  fi
  for line in $answers; do
    described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
  done
  _describe imjoy described
}
(( $+functions[compdef] )) && compdef _imjoy imjoy
""",
    "fish": r"""function __imjoy_complete
    set -l words (commandline -opc)
    set -e words[1]
    set -l current (commandline -ct)
    set -l answers (PROGRAM completion "--current=$current" -- $words 2>/dev/null)
    if test "$answers[1]" = :files
        __fish_complete_path "$current"
    else
        printf '%s\n' $answers
    end
end
complete -c imjoy -f -a '(__imjoy_complete)'
""",
    "powershell": r"""Register-ArgumentCompleter -Native -CommandName imjoy, imjoy.exe -ScriptBlock {
    param($word, $ast, $cursor)
    $words = @($ast.CommandElements | Select-Object -Skip 1 | Where-Object { $_.Extent.EndOffset -lt $cursor } |
        ForEach-Object { $_.ToString().Trim("'", '"') })
    foreach ($line in @(& PROGRAM completion "--current=$word" '--' @words 2>$null)) {
        if ($line -eq ':files') { return }
        $value, $meaning = $line -split "`t", 2
        if (-not $meaning) { $meaning = $value }
        $typed = if ($value -match ' ') { "'$value'" } else { $value }
        [System.Management.Automation.CompletionResult]::new($typed, $value, 'ParameterValue', $meaning)
    }
}
""",
}


def completion_script(shell: Completing, program: str) -> str:
    """Return the script that a shell reads; ``program`` is the path of `imjoy`, or its name."""
    quoted = "'" + program.replace("'", "''" if shell == "powershell" else r"'\''") + "'"
    return _SCRIPTS[shell].replace("PROGRAM", program if program == "imjoy" else quoted)


def completion_file(shell: ShellName, own_folder: Path) -> Path | None:
    """Return where the script for a shell lies in our folder of a prefix; None for a shell that has none."""
    return own_folder / f"completion.{_ENDS[shell]}" if shell in _ENDS else None


def source_line(shell: ShellName, file: Path) -> str:
    """Return the line of a start-up file that reads the script, and does nothing once that is gone."""
    name = str(file)
    if shell == "fish":
        return f'test -r "{name}"; and source "{name}"'
    if shell == "powershell":
        return f'if (Test-Path "{name}") {{ . "{name}" }}'
    # A start-up file of bash may be read by a plain sh, too.
    own = ' && [ -n "$BASH_VERSION" ]' if shell == "bash" else ""
    return f'if [ -r "{name}" ]{own}; then . "{name}"; fi'
