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

@test "without a Python and a network both are told, exit 4, and so is an older Python" {
  path=$(commands_without)
  PATH=$path PYENV_ROOT=/nowhere run -4 --separate-stderr bash "$INSTALL" --json
  [ "$(json 'd["error"]["id"]' "$output")" = network.python ]
  [[ $stderr == *"there is no Python 3.9 or newer here"*"127.0.0.1"* ]]
  old="$PYENV_ROOT/versions/2.7.18/bin/python2.7"
  [ -x "$old" ] || skip "Python 2.7 is not here"
  ln -s "$old" "$path/python"
  PATH=$path PYENV_ROOT=/nowhere run -4 bash "$INSTALL"
  [[ $output == *"($path/python is older)"* ]]
  [ -z "$(ls -A "$HOME")" ]
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
  [ "$(json 'd["error"]["id"]' "$output")" = prefix.unknown ]
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

@test "every problem is told at once" {
  touch "$HOME/ImJoyApp"
  run -3 bash "$INSTALL" --from "$HOME/nowhere"
  [[ $output == *"is not a folder"* ]]
  [[ $output == *"is no folder, no wheel and no git url"* ]]
}
