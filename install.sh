#!/usr/bin/env bash
#
# A door to imjoy: finds a Python that can plan an install, or fetches one, gets imjoy's source, and hands over to
# `imjoy.provision` with the options as they were typed; `bash install.sh --help` says what there is.
#
# Nothing is planned, locked, changed or undone here. What is fetched lies in a temporary folder, which goes at the end.
# Everything stands in functions, and the call on the last line is a brace group: a copy that was cut off while it came
# through a pipe does nothing. The syntax is that of bash 3.2, which macOS still has.

# A bash that was started as sh, as on macOS, cannot read what follows.
case ${BASH_VERSION:+${BASH##*/}} in
"" | sh)
  echo "install.sh: this is a bash script; run it with bash, not with sh" >&2
  exit 2
  ;;
esac
set -euo pipefail
set +o posix
unset POSIXLY_CORRECT

# Functions that were exported to us, and aliases, would stand in for the commands that are meant.
unalias -a
while read -r _ _ inherited; do unset -f "$inherited"; done < <(declare -F)
shopt -u failglob nocasematch nullglob

# --- facts ------------------------------------------------------------------------------------------------------------

VERSION="0.12.0"
# What plans an install runs on any Python from here up, whatever imjoy itself needs.
PLANNER_FLOOR="3.9"
PROJECT_URL="https://github.com/oeway/ImJoy-Engine"
START_SECONDS=5
CONNECT_SECONDS=15
STALL_SECONDS=30
DOWNLOAD_ATTEMPTS=4

# The same in install.sh, install.ps1 and imjoy.
EXIT_USAGE=2
EXIT_REFUSED=3
EXIT_NETWORK=4
EXIT_CHECKSUM=6
EXIT_OUR_BUG=70
EXIT_INTERRUPTED=130

# Ends with 93 when there is no planner in the place that is its first argument. A shell has what it starts beside itself
# ignore Ctrl-C; with a folder of ours to remove, that is how it was started.
HAND_OVER='
import os, signal, sys
if "IMJOY_DOOR_FOLDER" in os.environ:
    signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, sys.argv[1])
sys.argv[0] = "imjoy"
try:
    import imjoy
    from imjoy.provision.main import main
except KeyboardInterrupt:
    sys.exit(130)
except ModuleNotFoundError as error:
    if not "imjoy.provision.main".startswith(str(error.name)):
        raise
    sys.exit(93)
# Some Pythons have an imjoy of their own, or another program of that name.
sys.exit(main(sys.argv[2:]) if imjoy.__file__.startswith(sys.argv[1]) else 93)
'

# For a machine with a Python, and neither curl nor wget.
FETCH='
import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[3])) as answer, open(sys.argv[2], "wb") as file:
    if sys.argv[1].startswith("https:") and not answer.url.startswith("https:"):
        sys.exit("redirected to " + answer.url)
    shutil.copyfileobj(answer, file)
'

# --- pythons: written by .ci/installer-tables from installers.json, do not edit
PYTHON_BASE="https://github.com/astral-sh/python-build-standalone/releases/download/20260814/"
PYTHON_GLIBC="2.17" PYTHON_MACOS="11.0" PYTHON_MIB=40
# python_facts PLATFORM: sets PYTHON_FILE and PYTHON_SHA256; false when there is no build for it.
python_facts() {
  case $1 in
  linux-64) set -- x86_64-unknown-linux-gnu aaca2af2ab4d7b68a712660d1334c0cfd5ec13c0312ccd30c29122d8d0342320 ;;
  linux-64-musl) set -- x86_64-unknown-linux-musl cec161969cbd60f306c366066701a7ab2d40b78718e7d372281cabe5743423e6 ;;
  linux-aarch64) set -- aarch64-unknown-linux-gnu 985efd78c1c6521b379f7c64c2a25e6a1130f07441d1af8be441aa05260886aa ;;
  linux-aarch64-musl) set -- aarch64-unknown-linux-musl 6e0de96340a1096cac81c9b95226c410c71cdf81e3d4419c536ccad9b57ae1f7 ;;
  osx-64) set -- x86_64-apple-darwin bf87354efcd9ae517da606fcda4e3a3f0d73a6f05ca7cba3c6d3c5270074bfc8 ;;
  osx-arm64) set -- aarch64-apple-darwin 6d472fc49a4d95e58214a992c4c92aa73fe2a935837a01a9a36bab0bec6d72f3 ;;
  *) return 1 ;;
  esac
  PYTHON_FILE="cpython-3.13.15+20260814-$1-install_only_stripped.tar.gz" PYTHON_SHA256=$2
}
# --- end of pythons

# --- words ------------------------------------------------------------------------------------------------------------

say() {
  [ "$QUIET" = yes ] || printf '%s\n' "$*" >&2
}

# die ID EXIT_CODE WHAT WHY FIX: one error, on stderr and with --json also as a document on stdout.
die() {
  local line
  TOLD=yes
  printf 'error: %s\n' "$3" >&2
  for line in "$4" ${NOTICES[@]+"${NOTICES[@]}"} "$5"; do
    [ -z "$line" ] || printf '  %s\n' "$line" >&2
  done
  if [ "$JSON" = yes ]; then
    printf '{"schema": 1, "kind": "failure", "error": {"id": "%s", "what": %s, "why": %s, "fix": %s, "exit_code": %d}}\n' \
      "$1" "$(json_string "$3")" "$(json_string "$4")" "$(json_string "$5")" "$2"
  fi
  exit "$2"
}

# json_string TEXT: in ASCII; everything else becomes a question mark.
json_string() {
  local text=$1 LC_ALL=C
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//[!\ -~]/?}"
}

print_help() {
  printf '%s\n' "Installs imjoy, which runs native Python plugins for the ImJoy app.

usage: bash install.sh [options] [-- arguments for imjoy start]

It makes one folder with a Python, conda and imjoy, and edits nothing else: no
shell start-up file (unless you say so), no other Python, no other conda.

options:
  --prefix DIR   the folder (default: \$IMJOY_PREFIX, else ~/ImJoyApp)
  --distribution auto|miniconda|miniforge|existing|venv
                 where its Python comes from (default: \$IMJOY_DISTRIBUTION, else
                 auto: a conda that is here, else Miniconda, else Miniforge,
                 else a Python: one that is here, or one that is fetched)
  --from SOURCE  what to install: a checkout's folder, a wheel, or a git url
                 (default: the checkout that this script stands in, else
                 git+$PROJECT_URL)
  --mirror URL   where the installers of conda and the Python lie instead
                 (default: \$IMJOY_MIRROR)
  --offline DIR  take the installer, the Python and all wheels from this folder
  --installer FILE --sha256 HASH
                 run this installer of Miniconda or Miniforge
  --modify-path  also put imjoy on PATH for good: imjoy path --apply
  --no-modify-path
                 do not, and do not ask
  --desktop      also put ImJoy into the desktop's menu: imjoy desktop add
  --no-desktop   do not, and do not ask
  --start        afterwards start the engine and open the app in a browser
  --uninstall    take away what was installed, also when its Python is broken
  --yes          do not ask; take yes for an answer
  --dry-run      look, print the plan, change nothing
  --json         print the plan or the result as JSON, on stdout
  --quiet        print errors and warnings only
  --verbose      show what the steps print
  --version      print the version of imjoy that this script belongs to
  --help         print this

exit codes: 0 done; 1 failed; 2 usage; 3 something is in the way, nothing was
changed; 4 network needed and not there, nothing was changed; 6 a download is
not what it should be; 7 another install is at work; 70 a bug of ours; 130
interrupted.

It needs bash, and a Python $PLANNER_FLOOR or newer; where there is none it fetches one,
for which it needs curl or wget. Run it again at any time: it finishes what was
interrupted, repairs, brings up to date, or finds nothing to do."
}

# --- options: those that a door has to know; the planner reads all of them, and says which are wrong -------------------

set_defaults() {
  PREFIX=${IMJOY_PREFIX:-${HOME:+$HOME/ImJoyApp}} MIRROR=${IMJOY_MIRROR:-} SOURCE="" OFFLINE="" UNINSTALL=no
  JSON=no QUIET=no TOLD=no NOTICES=() TRIED=() CHILD="" WATCH="" PLANNER="" FOLDER="" PYTHON="" OLDER="" PLACE="" WHY=""
  SYSTEM=$(uname -s 2>/dev/null) || SYSTEM=unknown
  # What an old Python's imjoy has unpacked, and this script with it, lies in a folder that it removes itself.
  [ "${IMJOY_DOOR:-}" = python ] || unset IMJOY_DOOR IMJOY_DOOR_FOLDER IMJOY_DOOR_SOURCE IMJOY_DOOR_ARCHIVE
  export IMJOY_DOOR=${IMJOY_DOOR:-install.sh}
  unset IMJOY_DOOR_PYTHON IMJOY_DOOR_UNREACHABLE IMJOY_DOOR_NOTICES
  unset CDPATH GREP_OPTIONS TAR_OPTIONS GZIP __PYVENV_LAUNCHER__
}

read_options() {
  local name value
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    name=${1%%=*} value=${1#*=}
    case $1 in
    --prefix | --from | --mirror | --offline | --distribution | --installer | --sha256 | --workspace)
      value=${2:-}
      case $value in "" | -*) value="" ;; *) shift ;; esac
      ;;
    esac
    case $name in
    --prefix) PREFIX=$value ;;
    --from) SOURCE=$value ;;
    --mirror) MIRROR=$value ;;
    --offline) OFFLINE=$value ;;
    --uninstall) UNINSTALL=yes ;;
    --json) JSON=yes ;;
    --quiet | -q) QUIET=yes ;;
    --version | --help | -h)
      # Of an imjoy, the planner tells these.
      if [ "$IMJOY_DOOR" = install.sh ]; then
        case $name in --version) printf 'imjoy %s\n' "$VERSION" ;; *) print_help ;; esac
        exit 0
      fi
      ;;
    esac
    shift
  done
  while [ "$PREFIX" != "${PREFIX%/}" ]; do PREFIX=${PREFIX%/}; done
  PREFIX=$(absolute "$PREFIX") SOURCE=$(absolute "$SOURCE") OFFLINE=$(absolute "$OFFLINE")
}

# absolute PATH: a path as seen from the root; a url and nothing stay as they are.
absolute() {
  case $1 in "" | /* | *://*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac
}

# --- processes: one at a time, which does not outlive us --------------------------------------------------------------

# background COMMAND...: run it in a process group of its own, so that all of it can be ended, and wait for it; what it says
# goes into a file. Where GROWING names a file, a terminal shows how much of it is there.
background() {
  local status=0
  set -m
  "$@" </dev/null >"$FOLDER/said" 2>&1 &
  CHILD=$!
  set +m
  if [ -n "${GROWING:-}" ] && [ -t 2 ] && [ "$QUIET" = no ]; then
    while kill -0 "$CHILD" 2>/dev/null; do
      printf '\r  downloading: %d MiB ' "$(($(wc -c <"$GROWING") / 1048576))" >&2
      sleep 0.2 || sleep 1
    done
    printf '\r%60s\r' "" >&2
  fi
  wait "$CHILD" || status=$?
  CHILD=""
  return "$status"
}

# bounded SECONDS COMMAND...: its exit status, and nothing of what it says; 124 when it had to be ended.
bounded() {
  local seconds=$1 status=0
  shift
  set -m
  "$@" </dev/null >/dev/null 2>&1 &
  CHILD=$!
  { sleep "$seconds" && kill -KILL -- "-$CHILD"; } </dev/null >/dev/null 2>&1 &
  WATCH=$!
  set +m
  disown "$WATCH"
  wait "$CHILD" 2>/dev/null || status=$?
  CHILD=""
  kill -KILL -- "-$WATCH" 2>/dev/null || true
  WATCH=""
  [ "$status" -ne 137 ] || return 124
  return "$status"
}

# stop SIGNAL: hand a signal on to the planner, which undoes; without one, be off. A terminal has told it of Ctrl-C.
# shellcheck disable=SC2317 # called by name
stop() {
  [ -n "$PLANNER" ] || exit "$EXIT_INTERRUPTED"
  SIGNALLED=yes
  if [ "$1" != INT ] || ! { : </dev/tty; } 2>/dev/null; then kill -s "$1" "$PLANNER" 2>/dev/null || true; fi
}

# shellcheck disable=SC2317 # called by name
on_exit() {
  local status=$? each
  trap - EXIT
  # A second Ctrl-C is not to break off the cleaning.
  trap '' INT TERM HUP
  set +e
  { for each in $(jobs -p) $WATCH; do kill -KILL -- "-$each"; done && wait; } 2>/dev/null
  [ -z "$FOLDER" ] || rm -rf "$FOLDER"
  if [ "$status" -ne 0 ] && [ "$TOLD" = no ]; then
    if [ "$status" -eq "$EXIT_INTERRUPTED" ]; then
      printf 'warning: interrupted; nothing was left behind\n' >&2
    else
      status=$EXIT_OUR_BUG
      printf 'error: install.sh ended where it should not; that is a bug of ours\n  report it: %s/issues\n' "$PROJECT_URL" >&2
    fi
  fi
  exit "$status"
}

# own_folder: makes the folder that everything fetched goes into, unless it is there. When we are killed the planner of
# another run removes it, once nobody of that number runs on this machine.
own_folder() {
  local place
  [ -z "$FOLDER" ] || return 0
  for place in "${TMPDIR:-/tmp}" /tmp "$(beside_prefix)"; do make_folder "$place/" && return 0; done
  die prefix.unwritable "$EXIT_REFUSED" "no temporary folder can be made" "" "name one that can be written to: TMPDIR=DIR"
}

# make_folder WHERE: in the folder, and with the first letters of its name, that are given.
make_folder() {
  FOLDER=$(mktemp -d "$1imjoy-door-${HOSTNAME//\//}-$$-XXXXXX" 2>/dev/null) && FOLDER=$(absolute "$FOLDER")
}

# beside_prefix: prints the nearest folder above the prefix that is there.
beside_prefix() {
  local folder=${PREFIX%/*}
  while [ -n "$folder" ] && [ ! -d "$folder" ]; do folder=${folder%/*}; done
  printf '%s' "${folder:-/}"
}

# --- a Python ---------------------------------------------------------------------------------------------------------

# Prints the Pythons that there are, a path a line.
list_pythons() {
  local name folder
  for name in python3 python python3.{14,13,12,11,10,9}; do type -ap "$name" || true; done
  for folder in ${CONDA_EXE:+"${CONDA_EXE%/*}"} "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin \
    "${HOME:-}"/{miniconda3,miniforge3,mambaforge,anaconda3,opt/miniconda3,opt/anaconda3}/bin \
    /opt/{conda,miniconda3,miniforge3,anaconda3,homebrew}/bin /Library/Frameworks/Python.framework/Versions/Current/bin \
    "$PREFIX/bin" "$PREFIX/.imjoy/python/bin"; do
    if [ -f "$folder/python3" ]; then printf '%s\n' "$folder/python3"; fi
  done
}

# was_tried FILE: the same file in the same folder under another name; a link from elsewhere may find other modules.
was_tried() {
  local each
  for each in ${TRIED[@]+"${TRIED[@]}"}; do
    if [ "$1" -ef "$each" ] && [ "${1%/*}" -ef "${each%/*}" ]; then return 0; fi
  done
  TRIED+=("$1")
  return 1
}

# is_stub FILE: true for what macOS has in the place of a developer tool that is not there, and opens a dialog when it is
# run, and for one whose licence nobody has accepted.
is_stub() {
  [ "$SYSTEM" = Darwin ] || return 1
  case $1 in /usr/bin/*) ;; *) return 1 ;; esac
  ! { bounded "$START_SECONDS" xcode-select -p && bounded "$STALL_SECONDS" xcrun --find "${1##*/}"; }
}

# is_python SECONDS FILE: its exit status; 0 for one that starts, apart from everything that leaks in, and can plan.
is_python() {
  bounded "$1" "$2" -I -B -c "import sys; sys.exit(sys.version_info < (${PLANNER_FLOOR/./, }))"
}

find_python() {
  local candidate candidates status IFS=$'\n'
  candidates=$(list_pythons)
  set -f
  for candidate in $candidates; do
    case $candidate in /*) ;; *) continue ;; esac
    if was_tried "$candidate" || is_stub "$candidate"; then continue; fi
    status=0
    is_python "$START_SECONDS" "$candidate" || status=$?
    case $status in
    0)
      PYTHON=$candidate
      break
      ;;
    124) NOTICES+=("$candidate did not start within $START_SECONDS s") ;;
    126 | 12[89] | 1[3-9]?) NOTICES+=("$candidate does not start") ;;
    *) OLDER=${OLDER:-$candidate} ;;
    esac
  done
  set +f
  [ -n "$PYTHON" ]
}

# at_least VERSION FLOOR: also true for what is no version.
at_least() {
  case $1 in *[!0-9.]* | "" | .*) return 0 ;; esac
  local major=${1%%.*} minor=${1#*.}
  minor=${minor%%.*}
  [ "$major" -gt "${2%%.*}" ] || { [ "$major" -eq "${2%%.*}" ] && [ "${minor:-0}" -ge "${2#*.}" ]; }
}

# no_python ID EXIT_CODE WHY FIX: there is none, and none can be had.
no_python() {
  die "$1" "$2" "there is no Python $PLANNER_FLOOR or newer here${OLDER:+ ($OLDER is older)}, and none can be fetched" \
    "$3" "$4"
}

# Sets PYTHON_FILE and PYTHON_SHA256 to the build for this machine.
choose_build() {
  local machine answer platform="" fix="install Python $PLANNER_FLOOR or newer by this system's own means"
  machine=$(uname -m)
  case $SYSTEM in
  Linux)
    # A 32-bit system may run on a 64-bit kernel.
    case $machine-$(getconf LONG_BIT 2>/dev/null || echo 64) in
    x86_64-64) platform=linux-64 ;;
    aarch64-64) platform=linux-aarch64 ;;
    esac
    if answer=$(getconf GNU_LIBC_VERSION 2>/dev/null); then
      at_least "${answer#glibc }" "$PYTHON_GLIBC" ||
        no_python host.unsuited "$EXIT_REFUSED" "it needs glibc $PYTHON_GLIBC, and this is ${answer#glibc }" "$fix"
    else
      platform=${platform:+$platform-musl}
    fi
    ;;
  Darwin)
    [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || true)" != 1 ] || machine=arm64
    case $machine in
    arm64) platform=osx-arm64 ;;
    x86_64) platform=osx-64 ;;
    esac
    answer=$(SYSTEM_VERSION_COMPAT=0 sw_vers -productVersion 2>/dev/null) || answer=""
    at_least "$answer" "$PYTHON_MACOS" ||
      no_python host.unsuited "$EXIT_REFUSED" "it needs macOS $PYTHON_MACOS, and this is $answer" "$fix"
    ;;
  esac
  python_facts "$platform" ||
    no_python host.unsuited "$EXIT_REFUSED" "there is no build of it for $SYSTEM on $machine" "$fix"
}

# fetch_python: brings one into our folder.
fetch_python() {
  local url archive command
  for command in uname mktemp mkdir rm wc tar gzip sleep chmod; do
    command -v "$command" >/dev/null 2>&1 ||
      no_python host.command "$EXIT_REFUSED" "the command $command is not on PATH" "add the folder that holds it to PATH"
  done
  if [ -n "${IMJOY_PYTHON_URL:-}" ]; then
    PYTHON_FILE=${IMJOY_PYTHON_URL##*/} PYTHON_SHA256=${IMJOY_PYTHON_SHA256:-} url=$IMJOY_PYTHON_URL
    [ -n "$PYTHON_SHA256" ] || die usage.wrong "$EXIT_USAGE" "IMJOY_PYTHON_URL wants IMJOY_PYTHON_SHA256" "" ""
  else
    choose_build
    url=$PYTHON_BASE
    [ -z "$MIRROR" ] || url=${MIRROR%/}/
    url=$url${PYTHON_FILE/+/%2B}
  fi
  [ -n "$(sha256 </dev/null)" ] || no_python host.hash "$EXIT_REFUSED" \
    "there is no sha256sum, shasum or openssl to check it with" "install one of these, or a Python"
  own_folder
  if ! runs_programs; then
    rm -rf "$FOLDER"
    { make_folder "$(beside_prefix)/." && runs_programs; } || no_python prefix.noexec "$EXIT_REFUSED" \
      "neither ${TMPDIR:-/tmp} nor the disk of the prefix lets programs run" "name a folder on another disk: TMPDIR=DIR"
  fi
  archive=$FOLDER/python.tar.gz
  if [ -n "$OFFLINE" ]; then
    archive=$OFFLINE/$PYTHON_FILE
    [ -f "$archive" ] || no_python network.python "$EXIT_NETWORK" "$OFFLINE does not hold $PYTHON_FILE" \
      "put it there, from ${url%/*}/, or install a Python"
  else
    say "There is no Python $PLANNER_FLOOR or newer here: fetching one (about $PYTHON_MIB MiB)"
    fetch "$url" "$archive" || no_python network.python "$EXIT_NETWORK" "$(shown "$url"): $WHY" \
      "look at the network and HTTPS_PROXY, use --mirror URL or --offline DIR, or install a Python"
  fi
  [ "$(sha256 <"$archive")" = "$PYTHON_SHA256" ] ||
    die download.checksum "$EXIT_CHECKSUM" "$(shown "$url") is not what it should be; nothing of it was used" \
      "its SHA-256 is $(sha256 <"$archive") and has to be $PYTHON_SHA256" "try again, or another --mirror"
  PYTHON=$FOLDER/python/bin/python3 WHY=""
  { unpack "$archive" "$FOLDER" && is_python 60 "$PYTHON"; } ||
    no_python host.python "$EXIT_REFUSED" "the one that was fetched does not start here${WHY:+: $WHY}" \
      "install Python $PLANNER_FLOOR or newer by this system's own means"
  [ -n "$OFFLINE" ] || rm -f "$archive"
  export IMJOY_DOOR_PYTHON=$FOLDER/python
}

# runs_programs: whether the disk of our folder does.
runs_programs() {
  printf '#!/bin/sh\n' >"$FOLDER/runs" && chmod +x "$FOLDER/runs" && "$FOLDER/runs" 2>/dev/null
}

# sha256: of what comes in; nothing where there is no tool for it.
sha256() {
  local sum=""
  if command -v sha256sum >/dev/null 2>&1; then
    sum=$(sha256sum)
  elif command -v shasum >/dev/null 2>&1; then
    sum=$(shasum -a 256)
  elif command -v openssl >/dev/null 2>&1; then
    sum=$(openssl dgst -sha256 -r)
  fi
  printf '%s' "${sum%% *}"
}

# --- fetching ---------------------------------------------------------------------------------------------------------

# fetch URL FILE: tried again and gone on with where it broke; a server that stalls has failed. Sets WHY.
fetch() {
  local attempt=1 status last
  : >"$2"
  while :; do
    status=0
    GROWING=$2 background transfer "$1" "$2" || status=$?
    [ "$status" -ne 0 ] || return 0
    last_words
    last=$DOWNLOAD_ATTEMPTS
    case $status in
    # The server cannot go on, or has another file by now.
    22 | 33 | 36) : >"$2" ;;
    esac
    case $status in
    # Another try seldom helps with a name, a port, a certificate, a file that is not there, and never a circle.
    4 | 5 | 6 | 7 | 8 | 22 | 35 | 60 | 77) last=2 ;;
    47) last=1 ;;
    esac
    [ "$attempt" -lt "$last" ] && [ "$attempt" -lt "$DOWNLOAD_ATTEMPTS" ] || return 1
    background sleep "$attempt"
    attempt=$((attempt + 1))
  done
}

# transfer URL FILE: adds what is missing to the file. The shell writes it, as the curl of snap may not write to /tmp.
# shellcheck disable=SC2317 # called by name
transfer() {
  local protocols="=https" have bundle=${CURL_CA_BUNDLE:-${SSL_CERT_FILE:-${REQUESTS_CA_BUNDLE:-}}}
  case $1 in http://*) protocols="=http,https" ;; esac
  # curl and wget read these in small letters only.
  export ${HTTP_PROXY:+http_proxy="${http_proxy:-$HTTP_PROXY}"} ${HTTPS_PROXY:+https_proxy="${https_proxy:-$HTTPS_PROXY}"} \
    ${NO_PROXY:+no_proxy="${no_proxy:-$NO_PROXY}"} ${bundle:+SSL_CERT_FILE="$bundle"} LC_ALL=C
  have=$(($(wc -c <"$2")))
  [ "$have" -gt 0 ] || have=""
  if command -v curl >/dev/null 2>&1; then
    curl --fail --location --silent --show-error --proto "$protocols" --proto-redir "$protocols" --tlsv1.2 --max-redirs 10 \
      --connect-timeout "$CONNECT_SECONDS" --speed-limit 1024 --speed-time "$STALL_SECONDS" \
      ${bundle:+--cacert "$bundle"} ${have:+--continue-at "$have"} "$1" >>"$2"
  elif command -v wget >/dev/null 2>&1; then
    wget -nv -t 1 -T "$STALL_SECONDS" ${bundle:+--ca-certificate="$bundle"} ${have:+-c} -O "$2" "$1"
  elif [ -n "$PYTHON" ]; then
    "$PYTHON" -I -B -c "$FETCH" "$1" "$2" "$STALL_SECONDS"
  else
    echo "curl and wget are both missing: install one of them" >&2
    return 60
  fi
}

# last_words: sets WHY to the last line that the last command said; git has advice behind its reason.
last_words() {
  local line
  WHY="it said nothing"
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in "") ;; "fatal: "*) WHY=$line && break ;; *) WHY=$line ;; esac
  done <"$FOLDER/said"
}

# unpack ARCHIVE FOLDER
unpack() {
  local status=0
  case $1 in
  *.zip) background "$PYTHON" -I -B -m zipfile -e "$1" "$2" || status=$? ;;
  *) background tar -xzof "$1" -C "$2" || status=$? ;;
  esac
  [ "$status" -eq 0 ] || last_words
  return "$status"
}

# shown URL: without a password.
shown() {
  local host=${1#*://}
  host=${host%%/*}
  printf '%s' "${1/"$host"/"${host##*@}"}"
}

# --- imjoy's source ---------------------------------------------------------------------------------------------------

# find_source: sets PLACE to where the planner is: in the checkout that this script stands in; in what is to be installed;
# for an uninstall, and where that cannot be had, in the prefix.
find_source() {
  local own="" installed="" each wanted=$SOURCE
  if [ -n "$SCRIPT" ] && [ -f "$SCRIPT" ]; then
    case $SCRIPT in */*) own=$(cd "${SCRIPT%/*}" && pwd) ;; *) own=$PWD ;; esac
    has_planner "$own/bootstrap" && PLACE=$own/bootstrap && return 0
  fi
  for each in "$PREFIX"/lib/python3*/site-packages; do if has_planner "$each"; then installed=$each; fi; done
  PLACE=$installed
  if [ "$UNINSTALL" = yes ] && [ -n "$installed" ]; then return 0; fi
  if [ -z "$wanted" ] && [ -n "$OFFLINE" ]; then
    for each in "$OFFLINE"/imjoy-*.whl; do wanted=$each; done
  fi
  WHY=""
  get_source "${wanted:-git+$PROJECT_URL}" && return 0
  case $WHY in
  "") [ -n "$PLACE" ] || die source.missing "$EXIT_REFUSED" "$wanted is no checkout and no wheel of imjoy" "" \
    "give a wheel, a checkout's folder or a git url: --from SOURCE" ;;
  *) [ -n "$PLACE" ] || die network.source "$EXIT_NETWORK" \
    "$(shown "${wanted:-git+$PROJECT_URL}") cannot be reached, and nothing was changed" "$WHY" \
    "look at the network and HTTPS_PROXY, or use --from SOURCE or --offline DIR" ;;
  esac
  [ -z "$WHY" ] || export IMJOY_DOOR_UNREACHABLE=$WHY
}

has_planner() {
  [ -f "$1/imjoy/provision/main.py" ]
}

# get_source SOURCE: sets PLACE, or, where a network failed, WHY.
get_source() {
  local url=${1#git+} each
  case $1 in
  *://*)
    own_folder
    case $url in
    *.whl | *.tar.gz | *.zip)
      url=${url%%#*}
      fetch "$url" "$FOLDER/${url##*/}" || return 1
      use_archive "$FOLDER/${url##*/}"
      ;;
    *) get_repository "${url%%#*}" ;;
    esac
    ;;
  *)
    for each in "$1/bootstrap" "$1"; do if has_planner "$each"; then PLACE=$each && return 0; fi; done
    case $1 in *.whl) [ -f "$1" ] && PLACE=$1 ;; *) return 1 ;; esac
    ;;
  esac
}

# use_archive FILE: a wheel is imported as it is, anything else is unpacked.
use_archive() {
  local folder
  case $1 in
  *.whl)
    export IMJOY_DOOR_SOURCE=$1
    PLACE=$1
    return 0
    ;;
  esac
  mkdir "$FOLDER/source" && unpack "$1" "$FOLDER/source" || return 1
  for folder in "$FOLDER"/source/*; do
    has_planner "$folder/bootstrap" || continue
    export IMJOY_DOOR_SOURCE=$folder IMJOY_DOOR_ARCHIVE=$1
    PLACE=$folder/bootstrap
    return 0
  done
  WHY="what it has is not imjoy, or an imjoy of before 0.12"
  return 1
}

# get_repository URL[@REF]: the archive of that commit where the server makes one, else by git.
get_repository() {
  local url=$1 ref=HEAD path=${1#*://} git said
  # An @ before the first slash of the path belongs to the server's name; a branch's name may have slashes.
  path=${path#*/}
  case $path in *@?*) ref=${path#*@} url=${url%@"$ref"} ;; esac
  case $url in
  http*) fetch "${url%.git}/archive/$ref.tar.gz" "$FOLDER/source.tar.gz" && use_archive "$FOLDER/source.tar.gz" && return 0 ;;
  esac
  said=${WHY:-git is not here, and $(shown "$url") needs it}
  git=$(type -P git) && ! is_stub "$git" && {
    rm -rf "$FOLDER/source"
    export GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes}"
    background clone "$url" "$ref" "$FOLDER/source" || {
      last_words
      return 1
    }
    has_planner "$FOLDER/source/bootstrap" && PLACE=$FOLDER/source/bootstrap && export IMJOY_DOOR_SOURCE=$FOLDER/source &&
      return 0
    said="what it has is not imjoy, or an imjoy of before 0.12"
  }
  WHY=$said
  return 1
}

# clone URL REF FOLDER: that one commit. A server that stalls has failed.
# shellcheck disable=SC2317 # called by name
clone() {
  git init --quiet "$3" && cd "$3" &&
    git -c http.lowSpeedLimit=1 -c http.lowSpeedTime="$STALL_SECONDS" fetch --quiet --depth 1 "$1" "$2" &&
    git checkout --quiet FETCH_HEAD
}

# --- handing over -----------------------------------------------------------------------------------------------------

# The shell that the line was typed in, by the process that started us, else by SHELL.
current_shell() {
  local name=""
  { read -r name <"/proc/$PPID/comm"; } 2>/dev/null || name=$(ps -o comm= -p "$PPID" 2>/dev/null) || true
  name=${name##*/}
  case ${name#-} in bash | zsh | fish | tcsh | csh | nu | pwsh) ;; *) name=${SHELL:-bash} ;; esac
  name=${name##*/}
  printf '%s' "${name#-}"
}

# hand_over OPTIONS...: without a folder to remove afterwards the planner takes our place.
hand_over() {
  local status=127 answer
  IMJOY_DOOR_SHELL=$(current_shell)
  export IMJOY_DOOR_SHELL
  set -- "$PYTHON" -I -B -c "$HAND_OVER" "$PLACE" install "$@"
  if [ ${#NOTICES[@]} -gt 0 ]; then
    own_folder
    printf '%s\n' "${NOTICES[@]}" >"$FOLDER/notices"
    export IMJOY_DOOR_NOTICES=$FOLDER/notices
  fi
  # Whether there is a planner in a wheel is known when it ends.
  case $PLACE in *.whl) own_folder ;; esac
  # What follows in the pipe that this script came through is no answer to a question.
  [ -t 0 ] || exec </dev/null
  [ -n "$FOLDER" ] || exec "$@"
  export IMJOY_DOOR_FOLDER=$FOLDER
  "$@" <&0 &
  PLANNER=$! SIGNALLED=yes
  while [ "$SIGNALLED" = yes ]; do
    SIGNALLED=no answer=0
    wait "$PLANNER" 2>/dev/null || answer=$?
    # What a shell answers for one that it has told of before.
    case $answer in -1 | 127 | 255) ;; *) status=$answer ;; esac
  done
  TOLD=yes
  case $status in
  93)
    PLANNER=""
    die source.not_imjoy "$EXIT_REFUSED" "$PLACE is not imjoy, or an imjoy of before 0.12" "" \
      "give a wheel, a checkout's folder or a git url: --from SOURCE"
    ;;
  129 | 143) status=$EXIT_INTERRUPTED ;;
  esac
  exit "$status"
}

main() {
  set_defaults
  trap on_exit EXIT
  trap 'stop INT' INT
  trap 'stop TERM' TERM
  trap 'stop HUP' HUP
  read_options "$@"
  case $SYSTEM in
  Linux | Darwin | unknown) ;;
  *) die host.system "$EXIT_REFUSED" "this script knows Linux and macOS, and this is $SYSTEM" "" \
    "on Windows, in PowerShell: irm $PROJECT_URL/raw/HEAD/install.ps1 | iex" ;;
  esac
  find_python || fetch_python
  find_source
  hand_over "$@"
}

SCRIPT=${BASH_SOURCE[0]:-}
{ main "$@"; }
