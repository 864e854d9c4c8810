#!/usr/bin/env bats
# Real installs, each into a home of its own, from a copy of this checkout.
# bats sets $stderr and $output, and every test is a subshell.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154

load helpers

setup_file() {
  use_home "$BATS_FILE_TMPDIR/home"
  copy_checkout "$BATS_FILE_TMPDIR/checkout"
  bash "$BATS_FILE_TMPDIR/checkout/install.sh" --quiet
  "$HOME/ImJoyApp/bin/python" -m uv build --quiet --wheel --out-dir "$BATS_FILE_TMPDIR/wheels" \
    "$BATS_FILE_TMPDIR/checkout" 2>&1
  rm -rf "$BATS_FILE_TMPDIR/checkout/build" "$BATS_FILE_TMPDIR/checkout/imjoy.egg-info"
  mkdir "$BATS_FILE_TMPDIR/uv"
  ln -s "$HOME/ImJoyApp/bin/uv" "$BATS_FILE_TMPDIR/uv/uv"
  WHEEL=$(ls "$BATS_FILE_TMPDIR"/wheels/imjoy-*.whl)
  export WHEEL INSTALLED_HOME="$HOME" CHECKOUT="$BATS_FILE_TMPDIR/checkout"
}

setup() {
  use_home "$BATS_TEST_TMPDIR/home"
}

# with_uv: have a uv on PATH from now on, as many people do; a pip that fetches one is half the work of an install.
with_uv() {
  export PATH="$PATH:$BATS_FILE_TMPDIR/uv"
}

# answers PREFIX: imjoy is there, works, and nothing of the install is left over.
answers() {
  "$1/bin/imjoy" --version
  [ -f "$1/.imjoy/receipt.json" ]
  [ ! -e "$1/.imjoy/incomplete" ]
  [ ! -e "$1/.imjoy/install.lock" ]
  [ ! -e "$1/.imjoy/stage" ]
}

@test "a checkout is installed, and writes neither into itself nor beside the prefix" {
  answers "$INSTALLED_HOME/ImJoyApp"
  [ "$(find "$INSTALLED_HOME" -mindepth 1 -maxdepth 1 ! -name .cache ! -name .rustup | sort)" = "$INSTALLED_HOME/ImJoyApp" ]
  [ ! -e "$CHECKOUT/build" ]
  "$INSTALLED_HOME/ImJoyApp/bin/python" -m imjoy_engine serve --help >/dev/null
}

@test "a second run takes under 3 seconds of work and changes nothing" {
  use_home "$INSTALLED_HOME"
  before=$(listing "$HOME")
  # Processor time: what else the machine does meanwhile does not count.
  TIMEFORMAT="%U %S"
  { time bash "$CHECKOUT/install.sh" --json >"$BATS_TEST_TMPDIR/said" 2>/dev/null; } 2>"$BATS_TEST_TMPDIR/worked"
  awk '{ exit !(NF == 2 && $1 + $2 < 3) }' "$BATS_TEST_TMPDIR/worked"
  [ "$(json 'd["action"]' "$(cat "$BATS_TEST_TMPDIR/said")")" = none ]
  [ "$before" = "$(listing "$HOME")" ]
}

@test "the line it prints works in bash, zsh, fish and tcsh" {
  use_home "$INSTALLED_HOME"
  tried=""
  for shell in bash zsh fish tcsh; do
    command -v "$shell" >/dev/null || continue
    export SHELL="/bin/$shell"
    "$shell" -c "python3 -c 'import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))' \
      bash '$CHECKOUT/install.sh'" >"$BATS_TEST_TMPDIR/said"
    line=$(grep -A 1 '^For the imjoy command' "$BATS_TEST_TMPDIR/said" | tail -n 1)
    run -0 "$shell" -c "$line; imjoy --version"
    [[ $output == "imjoy "* ]]
    tried="$tried $shell"
  done
  echo "# tried$tried" >&3
}

@test "the permanent line leaves the command on PATH in the next shell" {
  use_home "$BATS_TEST_TMPDIR/it's a home"
  cp -Rp "$INSTALLED_HOME/ImJoyApp" "$HOME/ImJoyApp"
  export SHELL=/bin/bash
  line=$(bash "$CHECKOUT/install.sh" --yes | grep -A 1 '^and for every one to come' | tail -n 1)
  bash -c "$line"
  run -0 bash --rcfile "$HOME/.bashrc" -ic 'imjoy --version'
  [[ $output == *"imjoy "* ]]
}

@test "with imjoy on PATH it does not speak of PATH" {
  use_home "$INSTALLED_HOME"
  PATH="$HOME/ImJoyApp/bin:$PATH" run -0 bash "$CHECKOUT/install.sh"
  [[ $output != *"export PATH"* ]]
}

@test "curl | bash installs from the project's address, by commit, and again when it moved" {
  [ -z "${TEST_MACOS:-}" ] || skip "a Mac without developer tools has no git, and takes the archive"
  command -v curl >/dev/null || skip "curl is not here"
  with_uv
  copy_as_repository "$BATS_TEST_TMPDIR/repository"
  url=$(sed -n 's/^PROJECT_URL="\(.*\)"/\1/p' "$INSTALL")
  git config --global "url.file://$BATS_TEST_TMPDIR/repository.insteadOf" "$url"
  cd "$HOME"
  curl -fsSL "file://$INSTALL" | bash -s -- --json >"$BATS_TEST_TMPDIR/first"
  answers "$HOME/ImJoyApp"
  grep -q "\"source_id\": \"commit:$(git -C "$BATS_TEST_TMPDIR/repository" rev-parse HEAD)\"" "$HOME/ImJoyApp/.imjoy/receipt.json"
  [ "$(json 'd["action"]' "$(curl -fsSL "file://$INSTALL" | bash -s -- --json)")" = none ]
  sed -i.before 's/^__version__ = .*/__version__ = "0.12.1"/' "$BATS_TEST_TMPDIR/repository/bootstrap/imjoy/__init__.py"
  commit_all "$BATS_TEST_TMPDIR/repository"
  [ "$(json 'd["action"], d["version"]' "$(curl -fsSL "file://$INSTALL" | bash -s -- --json)")" = "('upgrade', '0.12.1')" ]
  [ "$("$HOME/ImJoyApp/bin/imjoy" --version)" = "imjoy 0.12.1" ]
}

@test "--start serves the app and opens a page in the browser, until Ctrl-C" {
  use_home "$INSTALLED_HOME"
  # A double of a browser: it writes down what it is told to open.
  printf '#!/bin/sh\necho "$1" >"%s/opened"\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/browser"
  chmod +x "$BATS_TEST_TMPDIR/browser"
  export BROWSER="$BATS_TEST_TMPDIR/browser"
  unset CI
  run python3 "$REPOSITORY/tests/shell/at_a_terminal.py" "The plugins stop with the engine" "^C" \
    bash -c "cat '$CHECKOUT/install.sh' | bash -s -- --from '$CHECKOUT' --start -- --port 0 --workspace '$BATS_TEST_TMPDIR/workspace'"
  echo "$output"
  [ "$status" -eq 0 ] || [ "$status" -eq 130 ]
  [[ $output == *"http://127.0.0.1:"* ]]
  eventually test -s "$BATS_TEST_TMPDIR/opened"
  grep -q '^file://\|^http://127.0.0.1' "$BATS_TEST_TMPDIR/opened"
}

@test "a prefix with spaces, a hostile Python environment and a temporary folder that forbids programs do not matter; --verbose shows what the steps print" {
  mkdir "$HOME/elsewhere" "$BATS_TEST_TMPDIR/noexec"
  echo 'raise SystemExit("the wrong module")' >"$HOME/elsewhere/click.py"
  # Where file systems cannot be mounted it is a folder like any other.
  mount -t tmpfs -o noexec tmpfs "$BATS_TEST_TMPDIR/noexec" 2>/dev/null || echo "# file systems cannot be mounted here" >&3
  export PYTHONPATH="$HOME/elsewhere" PYTHONHOME="$HOME/elsewhere" PIP_USER=1 PIP_TARGET="$HOME/elsewhere"
  TMPDIR="$BATS_TEST_TMPDIR/noexec" run bash "$INSTALL" --from "$WHEEL" --prefix "$HOME/my lab/ImJoy App" --verbose
  left=$(ls -A "$BATS_TEST_TMPDIR/noexec")
  umount "$BATS_TEST_TMPDIR/noexec" 2>/dev/null || true
  [ "$status" -eq 0 ]
  [ -z "$left" ]
  [[ $output == *"imjoy=="* ]]
  unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET
  answers "$HOME/my lab/ImJoy App"
  [ "$(ls "$HOME/elsewhere")" = click.py ]
}

@test "an upgrade that was killed, and damage, are repaired, and packages that were added stay" {
  use_home "$INSTALLED_HOME"
  echo interrupted >"$HOME/ImJoyApp/.imjoy/incomplete"
  run -0 --separate-stderr bash "$CHECKOUT/install.sh" --json --dry-run
  [ "$(json 'd["action"]' "$output")" = repair ]
  rm "$HOME/ImJoyApp/.imjoy/incomplete"
  added=$(echo "$HOME"/ImJoyApp/lib/python3.*/site-packages)/added_by_hand.py
  touch "$added"
  rm -rf "$HOME"/ImJoyApp/lib/python3.*/site-packages/{aiohttp,imjoy_engine}
  run -0 --separate-stderr bash "$CHECKOUT/install.sh" --json
  [ "$(json 'd["action"]' "$output")" = repair ]
  answers "$HOME/ImJoyApp"
  [ -e "$added" ]
  "$HOME/ImJoyApp/bin/python" -c 'import aiohttp'
}

@test "a prefix whose Python is gone is made anew only when that is allowed" {
  with_uv
  cp -Rp "$INSTALLED_HOME/ImJoyApp" "$HOME/ImJoyApp"
  rm -f "$HOME"/ImJoyApp/bin/python*
  before=$(listing "$HOME/ImJoyApp/lib")
  run -3 setsid bash "$INSTALL" --from "$WHEEL"
  [[ $output == *"was left as it is"* ]]
  run -3 python3 "$REPOSITORY/tests/shell/at_a_terminal.py" "Do it? [y/N]" n bash "$INSTALL" --from "$WHEEL"
  [ "$before" = "$(listing "$HOME/ImJoyApp/lib")" ]
  run -0 bash -c "cat '$INSTALL' | python3 '$REPOSITORY/tests/shell/at_a_terminal.py' 'Do it? [y/N]' y bash '$INSTALL' --from '$WHEEL'"
  answers "$HOME/ImJoyApp"
}

@test "two at once: the second is told so with exit 7, and SIGTERM ends the first, which leaves nothing" {
  # A uv that never comes to an end, so that the first is still at work when the second looks.
  mkdir "$BATS_TEST_TMPDIR/uv"
  printf '#!/bin/sh\n[ "$1" != --version ] || exec "%s" --version\nexec sleep 600\n' \
    "$BATS_FILE_TMPDIR/uv/uv" >"$BATS_TEST_TMPDIR/uv/uv"
  chmod +x "$BATS_TEST_TMPDIR/uv/uv"
  export PATH="$BATS_TEST_TMPDIR/uv:$PATH"
  bash "$INSTALL" --from "$WHEEL" --prefix "$HOME/new/one" &
  first=$!
  eventually test -e "$HOME/new/.one.imjoy/record.json"
  run -7 --separate-stderr bash "$INSTALL" --from "$WHEEL" --prefix "$HOME/new/one" --json
  [ "$(json 'd["error"]["id"]' "$output")" = install.locked ]
  kill -TERM "$first"
  status=0
  wait "$first" || status=$?
  [ "$status" -eq 130 ]
  [ ! -e "$HOME/new" ]
}

@test "an install that was killed hinders no other, and neither does a lock without an owner" {
  with_uv
  # It gets as far as this wheel, so the lock was no hindrance.
  touch "$BATS_TEST_TMPDIR/imjoy-9-py3-none-any.whl"
  bash "$INSTALL" --from "$WHEEL" &
  first=$!
  eventually test -e "$HOME/.ImJoyApp.imjoy/record.json"
  kill -KILL "$first"
  wait "$first" || true
  for _ in "as it was left" "without an owner"; do
    run -1 --separate-stderr bash "$INSTALL" --json --from "$BATS_TEST_TMPDIR/imjoy-9-py3-none-any.whl"
    [ "$(json 'd["error"]["id"]' "$output")" != install.locked ]
    [ -z "$(find "$HOME" -mindepth 1 -maxdepth 1 ! -name .cache ! -name .rustup)" ]
    mkdir -p "$HOME/.ImJoyApp.imjoy/lock"
  done
}

@test "an index that does not answer is exit 4, the log is named last, and nothing is left" {
  export PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL=http://someone:secret@127.0.0.1:9/simple PIP_RETRIES=1
  unset PIP_FIND_LINKS PIP_EXTRA_INDEX_URL
  run -4 --separate-stderr bash "$INSTALL" --from "$WHEEL" --json
  [ "$(json 'd["error"]["id"]' "$output")" = install.step ]
  log=$(log_of "$stderr")
  grep -q "NewConnectionError\|Connection refused" "$log"
  run -1 grep secret "$log"
  [ -z "$(find "$HOME" -mindepth 1 -maxdepth 1 ! -name .cache ! -name .rustup)" ]
}

@test "a source that cannot be built is exit 1 with the log, and an install that is there goes on working" {
  cp -Rp "$INSTALLED_HOME/ImJoyApp" "$HOME/ImJoyApp"
  copy_checkout "$BATS_TEST_TMPDIR/broken"
  echo 'raise RuntimeError("this source is broken")' >>"$BATS_TEST_TMPDIR/broken/setup.py"
  run -1 --separate-stderr bash "$INSTALL" --yes --from "$BATS_TEST_TMPDIR/broken"
  grep -q "this source is broken" "$(log_of "$stderr")"
  "$HOME/ImJoyApp/bin/imjoy" --version
}

@test "--quiet says nothing" {
  use_home "$INSTALLED_HOME"
  run -0 bash "$CHECKOUT/install.sh" --quiet
  [ -z "$output" ]
}
