#!/usr/bin/env bats
# What install.sh says of itself, and that a damaged copy of it does nothing.
# bats sets $stderr and $output, and every test is a subshell.
# shellcheck disable=SC2030,SC2031,SC2154

load helpers

setup() {
  use_home "$BATS_TEST_TMPDIR/home"
}

@test "--help is what the golden file says" {
  bash "$INSTALL" --help | diff "$REPOSITORY/tests/shell/golden/help.txt" -
}

@test "--help fits into 80 columns" {
  run -1 grep -nE '^.{81,}$' "$REPOSITORY/tests/shell/golden/help.txt"
}

@test "notes are broken between words, at the width of the terminal" {
  run -0 python3 "$REPOSITORY/tests/shell/at_a_terminal.py" "Steps:" "" \
    bash -c "stty cols 60; bash '$INSTALL' --dry-run --prefix '$HOME/a b'"
  [[ $output == *"  note  conda cannot live in a folder with spaces in its"*$'\n        name:'* ]]
}

@test "--version is the version of the package" {
  run -0 bash "$INSTALL" --version
  grep -qx "__version__ = \"${output#imjoy }\"" "$REPOSITORY/bootstrap/imjoy/__init__.py"
}

@test "an unknown option, a missing value and arguments without --start are usage errors" {
  run -2 bash "$INSTALL" --nope
  [[ $output == *"--nope is not an option"* ]]
  run -2 bash "$INSTALL" --prefix
  [[ $output == *"--prefix needs a value"* ]]
  run -2 bash "$INSTALL" -- --port 9000
  [[ $output == *"--start was not given"* ]]
  run -2 --separate-stderr bash "$INSTALL" --json --nope
  [ "$(json 'd["error"]["id"]' "$output")" = usage.wrong ]
}

@test "a copy that was cut off at any of 160 offsets does nothing" {
  size=$(wc -c <"$INSTALL")
  for part in {1..100}; do
    head -c "$((size * part / 101))" "$INSTALL" | bash >>"$BATS_TEST_TMPDIR/said" 2>&1 || true
  done
  for missing in {2..61}; do
    head -c "$((size - missing))" "$INSTALL" | bash >>"$BATS_TEST_TMPDIR/said" 2>&1 || true
  done
  run -1 grep ImJoyApp "$BATS_TEST_TMPDIR/said"
  [ -z "$(ls -A "$HOME")" ]
}

@test "it is written in the syntax of bash 3.2" {
  run -1 grep -nE 'declare -A|local -A|mapfile|readarray|\$\{[a-zA-Z_]+(,,|\^\^|@[A-Z])|&>>|\|&|coproc|wait -n' "$INSTALL"
}
