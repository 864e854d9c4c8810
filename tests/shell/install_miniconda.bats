#!/usr/bin/env bats
# An install by an installer of conda, and by a conda that is here. The installers are doubles of Miniconda's: real
# self-extracting scripts with its flags, which unpack a real Python; the server that has them misbehaves on demand.
# bats sets $stderr and $output, and every test is a subshell.
# Doubles of programs are written as they are.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load helpers

setup_file() {
  [ -n "${TEST_PYTHON:-}" ] && [ "$(uname -s)" = Linux ] || return 0
  use_home "$BATS_FILE_TMPDIR/home"
  SHA=$(cd "$REPOSITORY" && "$TEST_PYTHON" -m tests.kit "$BATS_FILE_TMPDIR/installers") || return 0
  copy_checkout "$BATS_FILE_TMPDIR/checkout"
  "$TEST_PYTHON" -m uv build --quiet --wheel --out-dir "$BATS_FILE_TMPDIR/wheels" "$BATS_FILE_TMPDIR/checkout"
  WHEEL=$(ls "$BATS_FILE_TMPDIR"/wheels/imjoy-*.whl)
  FILE=$(ls "$BATS_FILE_TMPDIR"/installers/Miniconda3-*-Linux-x86_64.sh)
  mkfifo "$BATS_FILE_TMPDIR/hold"
  "$TEST_PYTHON" "$REPOSITORY/tests/kit/mirror.py" "$BATS_FILE_TMPDIR/installers" "$BATS_FILE_TMPDIR/url" \
    <"$BATS_FILE_TMPDIR/hold" 3>&- &
  exec 9>"$BATS_FILE_TMPDIR/hold"
  eventually test -s "$BATS_FILE_TMPDIR/url"
  SERVER=$(cat "$BATS_FILE_TMPDIR/url")
  # Where a conda finds conda-forge.
  export CONDA_CHANNEL_ALIAS="$SERVER/ok" CONDA_PKGS_DIRS="$BATS_FILE_TMPDIR/pkgs"
  export SHA WHEEL FILE SERVER
}

teardown_file() {
  if [ -n "${WHEEL:-}" ]; then exec 9>&-; fi
}

setup() {
  [ -n "${WHEEL:-}" ] || skip "the doubles want Linux, and TEST_PYTHON to name a Python that has what imjoy needs"
  use_home "$BATS_TEST_TMPDIR/home"
}

# install HOW OPTIONS...: install from the server, in the way that the path asks for.
install() {
  local how=$1
  shift
  bash "$INSTALL" --distribution miniconda --mirror "$SERVER/$how" --sha256 "$SHA" --from "$WHEEL" "$@"
}

# untouched: nothing is in the home but what other programs keep there.
untouched() {
  [ -z "$(find "$HOME" -mindepth 1 -maxdepth 1 ! -name .cache ! -name .rustup)" ]
}

@test "whoever says no to the conda that is here gets another way" {
  bash "$FILE" -b -p "$HOME/miniconda3"
  run python3 "$REPOSITORY/tests/shell/at_a_terminal.py" "It is not changed itself. [Y/n]" n \
    bash "$INSTALL" --from "$BATS_TEST_TMPDIR/imjoy-9-py3-none-any.whl"
  [[ $output == *"there is no file"* ]]
}

@test "an installer from a file is checked before it runs" {
  printf '#!/bin/sh\ntouch "$HOME/it-ran"\n' >"$BATS_TEST_TMPDIR/other.sh"
  run -6 bash "$INSTALL" --distribution miniconda --installer "$BATS_TEST_TMPDIR/other.sh" --sha256 "$SHA" --from "$WHEEL"
  untouched
}

@test "an installer that fails is exit 1, and nothing is left but the log" {
  printf '#!/bin/sh\necho "the disk is upset"\nmkdir -p "$HOME/ImJoyApp/pkgs"\nexit 1\n' >"$BATS_TEST_TMPDIR/bad.sh"
  sha=$(sha256sum "$BATS_TEST_TMPDIR/bad.sh" | cut -d ' ' -f 1)
  run -1 --separate-stderr bash "$INSTALL" --distribution miniconda --installer "$BATS_TEST_TMPDIR/bad.sh" \
    --sha256 "$sha" --from "$WHEEL"
  grep -q "the disk is upset" "$(log_of "$stderr")"
  untouched
}

@test "where conda cannot live it is refused with a better folder, or the Python that is there is taken" {
  names=("a b")
  # The planner has a test of the others.
  [ -z "${IMJOY_EVERY_STEP:-}" ] || names+=("ä" "$(printf 'x%.0s' {1..110})")
  for name in "${names[@]}"; do
    run -3 --separate-stderr install ok --json --prefix "$HOME/$name"
    [ "$(json 'd["problems"][0]["id"]' "$output")" = prefix.conda ]
    run -0 --separate-stderr bash "$INSTALL" --json --dry-run --prefix "$HOME/$name" --from "$WHEEL"
    [ "$(json 'd["distribution"]["name"]' "$output")" = venv ]
  done
}

@test "options that do not fit together are usage errors" {
  unset IMJOY_MIRROR
  for options in "--distribution anaconda" "--sha256 abc" "--sha256 $SHA" "--installer $INSTALL" "--offline /nowhere" \
    "--distribution venv --installer $INSTALL --sha256 $SHA" "--mirror --json"; do
    # shellcheck disable=SC2086 # several words
    run -2 bash "$INSTALL" $options
  done
}
