#!/usr/bin/env bats
# What install.sh finds in the way: all of it at once, exit 3, and nothing changed.
# bats sets $stderr and $output, and every test is a subshell.
# shellcheck disable=SC2030,SC2031,SC2154

load helpers

setup() {
  use_home "$BATS_TEST_TMPDIR/home"
}

# refused ID: the last run of install.sh --json was refused for (among others) this reason.
refused() {
  [ "$(json "'$1' in [p['id'] for p in d['problems']] and d['action']" "$output")" = refuse ]
}

@test "--dry-run shows the plan and changes nothing" {
  run -0 --separate-stderr bash "$INSTALL" --dry-run
  [[ $output == *"into  ~/ImJoyApp"*"with  Python 3."*"- make the environment"* ]]
  [ -z "$stderr" ]
  [ -z "$(ls -A "$HOME")" ]
}

@test "--dry-run --json prints the plan as one document" {
  run -0 --separate-stderr bash "$INSTALL" --dry-run --json
  [ "$(json 'd["kind"], d["action"], d["source"]["kind"], d["problems"]' "$output")" = "('plan', 'install', 'checkout', [])" ]
  [ "$(json 'd["prefix"]' "$output")" = "$HOME/ImJoyApp" ]
}

@test "--prefix wins over IMJOY_PREFIX, which wins over the home" {
  export IMJOY_PREFIX="$HOME/from environment"
  run -0 --separate-stderr bash "$INSTALL" --dry-run --json
  [ "$(json 'd["prefix"]' "$output")" = "$HOME/from environment" ]
  run -0 --separate-stderr bash "$INSTALL" --dry-run --json --prefix="$HOME/from option/"
  [ "$(json 'd["prefix"]' "$output")" = "$HOME/from option" ]
}

@test "without a Python it says what to type" {
  PATH=$(commands_without) PYENV_ROOT=/nowhere run -3 --separate-stderr bash "$INSTALL" --json
  refused host.python
  [[ $stderr == *"imjoy needs Python 3.10 or newer, and there is none on PATH"* ]]
}

@test "a Python under the floor is named with its version" {
  old="$PYENV_ROOT/versions/2.7.18/bin/python2.7"
  [ -x "$old" ] || skip "Python 2.7 is not here"
  path=$(commands_without)
  ln -s "$old" "$path/python"
  PATH=$path PYENV_ROOT=/nowhere run -3 bash "$INSTALL"
  [[ $output == *"the best here is Python 2.7.18"* ]]
}

@test "a Python without venv is named with the package that brings it" {
  path=$(commands_without)
  # A double: Debian's Python without python3-venv answers our probe like this.
  printf '#!/bin/sh\nprintf "3.11.2\\nvenv\\n/usr/bin/python3.11\\n"\n' >"$path/python3.11"
  chmod +x "$path/python3.11"
  PATH=$path PYENV_ROOT=/nowhere run -3 --separate-stderr bash "$INSTALL" --json
  refused host.venv
  [[ $stderr == *"sudo apt install python3.11-venv"* ]]
}

@test "a broken Python on PATH is passed over for a good one" {
  path="$BATS_TEST_TMPDIR/broken"
  mkdir "$path"
  printf '#!/bin/sh\necho "not installed" >&2\nexit 127\n' >"$path/python3.13"
  chmod +x "$path/python3.13"
  PATH="$path:$PATH" run -0 --separate-stderr bash "$INSTALL" --dry-run --json
  [ "$(json 'd["action"]' "$output")" = install ]
}

@test "a prefix that is a file is refused" {
  touch "$HOME/ImJoyApp"
  run -3 --separate-stderr bash "$INSTALL" --json
  refused prefix.not_a_folder
  run -3 --separate-stderr bash "$INSTALL" --json --prefix "$HOME/ImJoyApp/below"
  refused prefix.not_a_folder
}

@test "a prefix with somebody else's files is refused and left alone" {
  mkdir "$HOME/ImJoyApp"
  echo mine >"$HOME/ImJoyApp/thesis.tex"
  before=$(listing "$HOME")
  run -3 --separate-stderr bash "$INSTALL" --json
  refused prefix.foreign
  [ "$before" = "$(listing "$HOME")" ]
}

@test "a prefix where there is no room is refused" {
  run -3 --separate-stderr bash "$INSTALL" --json --prefix /proc/imjoy
  refused host.disk
}

@test "a prefix that cannot be written to is refused" {
  [ "$(id -u)" != 0 ] || skip "root may write everywhere"
  mkdir -m 555 "$HOME/locked"
  run -3 --separate-stderr bash "$INSTALL" --json --prefix "$HOME/locked"
  refused prefix.unwritable
}

@test "a prefix that no PATH can carry is refused" {
  run -3 --separate-stderr bash "$INSTALL" --json --prefix "$HOME/a:b"
  refused prefix.name
}

@test "HOME unset is refused, unless there is a prefix" {
  run -3 --separate-stderr env -u HOME bash "$INSTALL" --json
  refused prefix.unknown
  run -0 --separate-stderr env -u HOME bash "$INSTALL" --json --dry-run --prefix "$BATS_TEST_TMPDIR/p"
}

@test "a source that is not there, or not imjoy, is refused" {
  run -3 --separate-stderr bash "$INSTALL" --json --from "$HOME/nowhere"
  refused source.missing
  run -3 --separate-stderr bash "$INSTALL" --json --from nowhere.whl
  refused source.missing
  run -3 --separate-stderr bash "$INSTALL" --json --from "$HOME"
  refused source.not_imjoy
}

@test "a branch that the repository does not have is refused" {
  copy_as_repository "$BATS_TEST_TMPDIR/repository"
  run -3 --separate-stderr bash "$INSTALL" --json --from "git+file://$BATS_TEST_TMPDIR/repository@nope"
  refused source.missing
}

@test "a repository that does not answer is exit 4, with nothing changed" {
  run -4 --separate-stderr bash "$INSTALL" --json --from "git+file://$HOME/nowhere"
  [ "$(json 'd["error"]["id"]' "$output")" = network.source ]
  [ -z "$(ls -A "$HOME")" ]
}

@test "without git the project's archive is planned" {
  path=$(commands_without git)
  python=$(command -v python3)
  ln -s "$("$python" -c 'import sys; print(sys.executable)')" "$path/python3"
  cp "$INSTALL" "$HOME/install.sh"
  PATH=$path run -0 --separate-stderr bash "$HOME/install.sh" --json --dry-run
  [[ $(json 'd["source"]["place"]' "$output") == https://github.com/*/archive/HEAD.zip ]]
}

@test "every problem is told at once" {
  touch "$HOME/ImJoyApp"
  PATH=$(commands_without) PYENV_ROOT=/nowhere run -3 bash "$INSTALL" --from "$HOME/nowhere"
  [[ $output == *"is not a folder"*"needs Python"*"is no folder, no wheel and no git url"* ]]
}
