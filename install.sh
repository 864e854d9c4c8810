#!/usr/bin/env bash
#
# Installs imjoy: finds a Python that can plan an install, or fetches one, gets imjoy's source, and hands over to
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
BY_OTHER_MEANS="install Python $PLANNER_FLOOR or newer by this system's own means"
NOT_IMJOY="what it has is not imjoy, or an imjoy of before 0.12"
GIVE_SOURCE="give a wheel, a checkout's folder or a git url: --from SOURCE"
EXIT_OUR_BUG=70
EXIT_INTERRUPTED=130

# The planner of a place does everything else. One that is older than this script removes nothing of ours; the next run does.
HAND_OVER='
import sys
sys.path.insert(0, sys.argv.pop(1))
try:
    from imjoy.provision.from_script import main
except ImportError:
    from imjoy.provision.main import main
sys.exit(main(sys.argv[1:]))
'

# For a machine with a Python, and neither curl nor wget.
FETCH='
import shutil, sys, urllib.request
with urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])) as answer:
    if sys.argv[1].startswith("https:") and not answer.url.startswith("https:"):
        sys.exit("redirected to " + answer.url)
    shutil.copyfileobj(answer, sys.stdout.buffer)
'

# The planner's own help, that of imjoy install, tells more.
HELP="Installs imjoy, which runs native Python plugins for the ImJoy app.

usage: bash install.sh [options] [-- arguments for imjoy start]

  --prefix DIR         the folder that it makes (default: ~/ImJoyApp)
  --distribution auto|miniconda|miniforge|existing|venv
                       where its Python comes from
  --from SOURCE        install a checkout's folder, a wheel, or a git url
  --mirror URL         where the installers of conda and the Python lie instead
  --offline DIR        take the installer, the Python and all wheels from there
  --installer FILE     run this installer of Miniconda or Miniforge
  --sha256 HASH        what that has to be
  --modify-path        keep imjoy on PATH; --no-modify-path: do not ask
  --desktop            put ImJoy into the menu; --no-desktop: do not ask
  --start              afterwards start the engine and open the app
  --uninstall          take away what was installed
  --yes                do not ask; take yes for an answer
  --dry-run            look, print the plan, change nothing
  --json               print the plan or the result as JSON, on stdout
  --quiet, --verbose   print errors and warnings only; show what the steps print
  --version, --help    print the version; print this

What each does, the variables and the exit codes:
$PROJECT_URL/blob/HEAD/docs/install.md"

# --- pythons: written by .ci/installer-tables from installers.json, do not edit
PYTHON_BASE="https://github.com/astral-sh/python-build-standalone/releases/download/20260814/"
PYTHON_GLIBC="2.17" PYTHON_MACOS="11.0" PYTHON_MIB=40
# python_facts SYSTEM-MACHINE: sets PYTHON_FILE and PYTHON_SHA256; false when there is no build for it.
python_facts() {
  case $1 in
  Linux-x86_64) set -- x86_64-unknown-linux-gnu aaca2af2ab4d7b68a712660d1334c0cfd5ec13c0312ccd30c29122d8d0342320 ;;
  Linux-x86_64-musl) set -- x86_64-unknown-linux-musl cec161969cbd60f306c366066701a7ab2d40b78718e7d372281cabe5743423e6 ;;
  Linux-aarch64) set -- aarch64-unknown-linux-gnu 985efd78c1c6521b379f7c64c2a25e6a1130f07441d1af8be441aa05260886aa ;;
  Linux-aarch64-musl) set -- aarch64-unknown-linux-musl 6e0de96340a1096cac81c9b95226c410c71cdf81e3d4419c536ccad9b57ae1f7 ;;
  Darwin-x86_64) set -- x86_64-apple-darwin bf87354efcd9ae517da606fcda4e3a3f0d73a6f05ca7cba3c6d3c5270074bfc8 ;;
  Darwin-arm64) set -- aarch64-apple-darwin 6d472fc49a4d95e58214a992c4c92aa73fe2a935837a01a9a36bab0bec6d72f3 ;;
  *) return 1 ;;
  esac
  PYTHON_FILE="cpython-3.13.15+20260814-$1-install_only_stripped.tar.gz" PYTHON_SHA256=$2
}
# --- end of pythons

# --- words ------------------------------------------------------------------------------------------------------------

# die ID WHAT WHY FIX: one error, on stderr and with --json also as a document on stdout.
die() {
  local line code=3
  case $1 in usage.*) code=2 ;; network.*) code=4 ;; download.*) code=6 ;; esac
  TOLD=yes
  printf 'error: %s\n' "$2" >&2
  for line in "$3" ${NOTICES[@]+"${NOTICES[@]}"} "$4"; do
    [ -z "$line" ] || printf '  %s\n' "$line" >&2
  done
  if [ "$JSON" = yes ]; then
    printf '{"schema": 1, "kind": "failure", "error": {"id": "%s", "what": %s, "why": %s, "fix": %s, "exit_code": %d}}\n' \
      "$1" "$(json_string "$2")" "$(json_string "$3")" "$(json_string "$4")" "$code"
  fi
  exit "$code"
}

# json_string TEXT: in ASCII; everything else becomes a question mark.
json_string() {
  local text=$1 LC_ALL=C
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//[!\ -~]/?}"
}

# --- options: those that this script has to know; the planner reads all of them, and says which are wrong -------------------

read_options() {
  local name value
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    name=${1%%=*} value=${1#*=}
    if [ "$1" = "$name" ]; then case ${2:-} in --*) value="" ;; *) value=${2:-} ;; esac fi
    case $name in
    --prefix) PREFIX=$value ;;
    --from) SOURCE=$value ;;
    --mirror) MIRROR=$value ;;
    --offline) OFFLINE=$value ;;
    --uninstall) UNINSTALL=yes ;;
    --json) JSON=yes ;;
    --quiet | -q) QUIET=yes ;;
    --version) of_itself "imjoy $VERSION" ;;
    --help | -h) of_itself "$HELP" ;;
    esac
    shift
  done
  while [ "$PREFIX" != "${PREFIX%/}" ]; do PREFIX=${PREFIX%/}; done
  PREFIX=$(absolute "$PREFIX") SOURCE=$(absolute "$SOURCE") OFFLINE=$(absolute "$OFFLINE")
}

# of_itself TEXT: what it is and takes, and no more; of an old Python's imjoy, the planner tells these.
of_itself() {
  [ "$IMJOY_DOOR" != install.sh ] || { printf '%s\n' "$1" && exit; }
}

# absolute PATH: a path as seen from the root; a url and nothing stay as they are.
absolute() {
  case $1 in "" | /* | *://*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac
}

# --- processes: one at a time, which does not outlive us --------------------------------------------------------------

# run SECONDS COMMAND...: its exit status, 124 when it had to be ended; 0 seconds are no limit, and then WHY is what it said
# of its failure. It runs in a process group of its own, so that all of it can be ended. Where GROWING names a file, a
# terminal shows how much of it is there.
run() {
  local seconds=$1 child status=0 said=/dev/null
  shift
  [ "$seconds" -gt 0 ] || said=$FOLDER/said
  set -m
  "$@" </dev/null >"$said" 2>&1 &
  child=$!
  if [ "$seconds" -gt 0 ]; then
    { sleep "$seconds" && kill -KILL -- "-$child"; } </dev/null >/dev/null 2>&1 &
    WATCH=$!
    disown "$WATCH"
  fi
  set +m
  if [ -n "${GROWING:-}" ] && [ -t 2 ] && [ "$QUIET" = no ]; then
    while kill -0 "$child" 2>/dev/null; do
      printf '\r  downloading: %d MiB ' "$(($(wc -c <"$GROWING") / 1048576))" >&2
      sleep 0.2 || sleep 1
    done
    printf '\r%60s\r' "" >&2
  fi
  wait "$child" 2>/dev/null || status=$?
  [ -z "$WATCH" ] || kill -KILL -- "-$WATCH" 2>/dev/null || true
  WATCH=""
  [ "$status" -eq 0 ] || [ "$seconds" -gt 0 ] || last_words
  [ "$status" -ne 137 ] || status=124
  return "$status"
}

# last_words: sets WHY to the last line that the last command said; git has advice behind its reason.
last_words() {
  local line
  WHY="it said nothing"
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in "") ;; "fatal: "*) WHY=$line && break ;; *) WHY=$line ;; esac
  done <"$FOLDER/said"
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

# own_folder [TEST]: makes the folder that everything fetched goes into, where the test holds, unless it is there. When we
# are killed the planner of another run removes it, once nobody of that number runs on this machine.
own_folder() {
  local place above=${PREFIX%/*} id=prefix.unwritable what="no temporary folder can be made"
  [ -z "$FOLDER" ] || return 0
  while [ -n "$above" ] && [ ! -d "$above" ]; do above=${above%/*}; done
  for place in "${IMJOY_DOOR_FOLDER:-${TMPDIR:-/tmp}}/" /tmp/ "$above/."; do
    FOLDER=$(mktemp -d "${place}imjoy-door-${HOSTNAME//\//}-$$-XXXXXX" 2>/dev/null) || continue
    FOLDER=$(absolute "$FOLDER")
    "${1:-true}" && return 0
    rm -rf "$FOLDER"
    FOLDER="" id=prefix.noexec what="neither ${TMPDIR:-/tmp} nor the disk of the prefix lets programs run"
  done
  die "$id" "$what" "" "name another folder: TMPDIR=DIR"
}

# runs_programs: whether the disk of our folder does.
# shellcheck disable=SC2317 # called by name
runs_programs() {
  printf '#!/bin/sh\n' >"$FOLDER/runs" && chmod +x "$FOLDER/runs" && "$FOLDER/runs" 2>/dev/null
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

# is_stub FILE: true for what macOS has in the place of a developer tool that is not there, and opens a dialog when it is
# run, and for one whose licence nobody has accepted.
is_stub() {
  [ "$SYSTEM" = Darwin ] || return 1
  case $1 in /usr/bin/*) ;; *) return 1 ;; esac
  ! { run "$START_SECONDS" xcode-select -p && run "$STALL_SECONDS" xcrun --find "${1##*/}"; }
}

# is_python SECONDS FILE: its exit status; 0 for one that starts, apart from everything that leaks in, and can plan.
is_python() {
  run "$1" "$2" -I -B -c "import sys; sys.exit(sys.version_info < (${PLANNER_FLOOR/./, }))"
}

find_python() {
  local candidate candidates each status IFS=$'\n' tried=()
  candidates=$(list_pythons)
  set -f
  for candidate in $candidates; do
    case $candidate in /*) ;; *) continue ;; esac
    # The same file in the same folder under another name; a link from elsewhere may find other modules.
    for each in ${tried[@]+"${tried[@]}"}; do
      if [ "$candidate" -ef "$each" ] && [ "${candidate%/*}" -ef "${each%/*}" ]; then continue 2; fi
    done
    tried+=("$candidate")
    ! is_stub "$candidate" || continue
    status=0
    is_python "$START_SECONDS" "$candidate" || status=$?
    case $status in
    0) PYTHON=$candidate && break ;;
    124) NOTICES+=("$candidate did not start within $START_SECONDS s") ;;
    126 | 12[89] | 1[3-9]?) NOTICES+=("$candidate does not start") ;;
    *) OLDER=${OLDER:-$candidate} ;;
    esac
  done
  set +f
  [ -n "$PYTHON" ]
}

# no_python ID WHY [FIX]: there is none, and none can be had.
no_python() {
  die "$1" "there is no Python $PLANNER_FLOOR or newer here${OLDER:+ ($OLDER is older)}, and none can be fetched" "$2" \
    "${3:-$BY_OTHER_MEANS}"
}

# Sets PYTHON_FILE and PYTHON_SHA256 to the build for this machine.
choose_build() {
  local machine answer libc=""
  machine=$(uname -m)
  case $SYSTEM in
  Linux)
    answer=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=-musl
    ! [ "${answer#glibc 2.}" -lt "${PYTHON_GLIBC#2.}" ] 2>/dev/null ||
      no_python host.unsuited "it needs glibc $PYTHON_GLIBC, and this is ${answer#glibc }"
    # A 32-bit system may run on a 64-bit kernel.
    [ "$(getconf LONG_BIT 2>/dev/null)" != 32 ] || libc=-32
    ;;
  Darwin)
    [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] || machine=arm64
    answer=$(SYSTEM_VERSION_COMPAT=0 sw_vers -productVersion 2>/dev/null) || answer=""
    ! [ "${answer%%.*}" -lt "${PYTHON_MACOS%%.*}" ] 2>/dev/null ||
      no_python host.unsuited "it needs macOS $PYTHON_MACOS, and this is $answer"
    ;;
  esac
  python_facts "$SYSTEM-$machine$libc" || no_python host.unsuited "there is no build of it for $SYSTEM on $machine"
}

# fetch_python: brings one into our folder.
fetch_python() {
  local url archive sum command
  for command in uname mktemp mkdir rm wc tar gzip sleep chmod; do
    type -P "$command" >/dev/null ||
      no_python host.command "the command $command is not on PATH" "add the folder that holds it to PATH"
  done
  if [ -n "${IMJOY_PYTHON_URL:-}" ]; then
    PYTHON_FILE=${IMJOY_PYTHON_URL##*/} PYTHON_SHA256=${IMJOY_PYTHON_SHA256:-} url=$IMJOY_PYTHON_URL
    [ -n "$PYTHON_SHA256" ] || die usage.wrong "IMJOY_PYTHON_URL needs IMJOY_PYTHON_SHA256" "" ""
  else
    choose_build
    url=${MIRROR:+${MIRROR%/}/}
    url=${url:-$PYTHON_BASE}${PYTHON_FILE/+/%2B}
  fi
  [ -n "$(sha256 </dev/null)" ] || no_python host.hash \
    "there is no sha256sum, shasum or openssl to check it with" "install one of these, or a Python"
  own_folder runs_programs
  archive=$FOLDER/python.tar.gz
  if [ -n "$OFFLINE" ]; then
    archive=$OFFLINE/$PYTHON_FILE
    [ -f "$archive" ] || no_python network.python "$OFFLINE does not hold $PYTHON_FILE" \
      "put it there, from ${url%/*}/, or install a Python"
  else
    [ "$QUIET" = yes ] || echo "There is no Python $PLANNER_FLOOR or newer here: fetching one (about $PYTHON_MIB MiB)" >&2
    fetch "$url" "$archive" || no_python network.python "$(shown "$url"): $WHY" \
      "look at the network and HTTPS_PROXY, use --mirror URL or --offline DIR, or install a Python"
  fi
  sum=$(sha256 <"$archive")
  [ "$sum" = "$PYTHON_SHA256" ] || die download.checksum "$(shown "$url") does not match its checksum; it was not used" \
    "its SHA-256 is $sum and has to be $PYTHON_SHA256" "try again, or another --mirror"
  export IMJOY_DOOR_PYTHON=$FOLDER/python
  PYTHON=$IMJOY_DOOR_PYTHON/bin/python3 WHY=""
  { unpack "$archive" "$FOLDER" && is_python 60 "$PYTHON"; } ||
    no_python host.python "the one that was fetched does not start here${WHY:+: $WHY}"
  [ -n "$OFFLINE" ] || rm -f "$archive"
}

# sha256: of what comes in; nothing where there is no tool for it.
sha256() {
  local sum
  sum=$({ sha256sum || shasum -a 256 || openssl dgst -sha256 -r; } 2>/dev/null) || true
  printf '%s' "${sum%% *}"
}

# --- fetching ---------------------------------------------------------------------------------------------------------

# fetch URL FILE: tried again and gone on with where it broke; a server that stalls has failed. Sets WHY.
fetch() {
  local attempt status last=$DOWNLOAD_ATTEMPTS
  : >"$2"
  for ((attempt = 1; attempt <= last; attempt++)); do
    [ "$attempt" -eq 1 ] || run 0 sleep "$((attempt - 1))"
    status=0 last=$DOWNLOAD_ATTEMPTS
    GROWING=$2 run 0 transfer "$1" "$2" || status=$?
    case $status in
    0) return 0 ;;
    # Another try seldom helps with a name, a port, a certificate, a file that is not there, and never a circle.
    4 | 5 | 6 | 7 | 8 | 22 | 35 | 60 | 77) last=2 ;;
    47) last=1 ;;
    esac
  done
  return 1
}

# transfer URL FILE: adds what is missing to the file. The shell writes it, as the curl of snap may not write to /tmp.
# shellcheck disable=SC2317 # called by name
transfer() {
  local protocols="=https" have="" status=0 bundle=${CURL_CA_BUNDLE:-${SSL_CERT_FILE:-${REQUESTS_CA_BUNDLE:-}}}
  case $1 in http://*) protocols="=http,https" ;; esac
  # curl and wget read these in small letters only.
  export ${HTTP_PROXY:+http_proxy="${http_proxy:-$HTTP_PROXY}"} ${HTTPS_PROXY:+https_proxy="${https_proxy:-$HTTPS_PROXY}"} \
    ${NO_PROXY:+no_proxy="${no_proxy:-$NO_PROXY}"} ${bundle:+SSL_CERT_FILE="$bundle"} LC_ALL=C
  [ ! -s "$2" ] || have=$(($(wc -c <"$2")))
  if type -P curl >/dev/null; then
    curl --fail --location --silent --show-error --proto "$protocols" --proto-redir "$protocols" --tlsv1.2 --max-redirs 10 \
      --connect-timeout "$CONNECT_SECONDS" --speed-limit 1024 --speed-time "$STALL_SECONDS" \
      ${bundle:+--cacert "$bundle"} ${have:+--continue-at "$have"} "$1" >>"$2" || status=$?
    # The server cannot go on, or has another file by now.
    case $status in 22 | 33 | 36) : >"$2" ;; esac
    return "$status"
  elif type -P wget >/dev/null; then
    wget -nv -t 1 -T "$STALL_SECONDS" ${bundle:+--ca-certificate="$bundle"} ${have:+-c} -O "$2" "$1"
  elif [ -n "$PYTHON" ]; then
    "$PYTHON" -I -B -c "$FETCH" "$1" "$STALL_SECONDS" >"$2"
  else
    echo "curl and wget are both missing: install one of them" >&2
    return 60
  fi
}

# unpack ARCHIVE FOLDER
unpack() {
  case $1 in
  *.zip) run 0 "$PYTHON" -I -B -m zipfile -e "$1" "$2" ;;
  *) run 0 tar -xzof "$1" -C "$2" ;;
  esac
}

# shown URL: without a password.
shown() {
  local host=${1#*://}
  host=${host%%/*}
  # Not ${1/../..}: there a bash 3.2 takes quotes for a part of the text.
  printf '%s' "${1%%://*}://${host##*@}${1#*://"$host"}"
}

# --- imjoy's source ---------------------------------------------------------------------------------------------------

# find_source: sets PLACE to where the planner is: in the checkout that this script stands in; in what is to be installed;
# for an uninstall, and where that cannot be had, in the prefix.
find_source() {
  local own each wanted=$SOURCE
  own=$(absolute "$SCRIPT")
  [ -f "$own" ] && has_planner "${own%/*}/bootstrap" && return 0
  for each in "$PREFIX"/lib/python3*/site-packages; do has_planner "$each" || true; done
  if [ "$UNINSTALL" = yes ] && [ -n "$PLACE" ]; then return 0; fi
  if [ -z "$wanted" ] && [ -n "$OFFLINE" ]; then
    for each in "$OFFLINE"/imjoy-*.whl; do wanted=$each; done
  fi
  wanted=${wanted:-git+$PROJECT_URL} WHY=""
  get_source "$wanted" && return 0
  if [ -n "$PLACE" ]; then
    [ -z "$WHY" ] || export IMJOY_DOOR_UNREACHABLE=$WHY
  elif [ -n "$WHY" ]; then
    die network.source "$(shown "$wanted") cannot be reached, and nothing was changed" "$WHY" \
      "look at the network and HTTPS_PROXY, or use --from SOURCE or --offline DIR"
  else
    die source.missing "$wanted is no checkout and no wheel of imjoy" "" "$GIVE_SOURCE"
  fi
}

# has_planner FOLDER: whether it is there, which PLACE then names.
has_planner() {
  [ -f "$1/imjoy/provision/main.py" ] && PLACE=$1
}

# get_source SOURCE: sets PLACE, or, where a network failed, WHY.
get_source() {
  local url=${1#git+} file
  case $url in *://*) own_folder ;; esac
  url=${url%%#*} file=$FOLDER/${url##*/}
  case $url in
  *://*.whl) fetch "$url" "$file" && use_wheel "$file" && export IMJOY_DOOR_SOURCE=$file ;;
  *://*.tar.gz | *://*.zip) fetch "$url" "$file" && use_archive "$file" ;;
  *://*) get_repository "$url" ;;
  *.whl) [ -f "$1" ] && use_wheel "$1" ;;
  *) has_planner "$1/bootstrap" ;;
  esac
}

# use_wheel FILE: it is imported as it is.
use_wheel() {
  PLACE=$1
  run 60 "$PYTHON" -I -B -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).getinfo("imjoy/provision/main.py")' "$1" ||
    die source.not_imjoy "$1 is not imjoy, or an imjoy of before 0.12" "" "$GIVE_SOURCE"
}

# use_archive FILE
use_archive() {
  mkdir "$FOLDER/source" && unpack "$1" "$FOLDER/source" || return 1
  WHY=$NOT_IMJOY
  has_planner "$FOLDER"/source/*/bootstrap || return 1
  export IMJOY_DOOR_SOURCE=${PLACE%/bootstrap} IMJOY_DOOR_ARCHIVE=$1
}

# in_source COMMAND...: there; git knows -C as of 1.8.5, and CentOS 7 has 1.8.3.
in_source() { cd "$FOLDER/source" && "$@"; }

# get_repository URL[@REF]: the archive of that commit where the server makes one, else by git.
get_repository() {
  local url=$1 ref=HEAD path=${1#*://} git folder=$FOLDER/source
  # An @ before the first slash of the path belongs to the server's name; a branch's name may have slashes.
  path=${path#*/}
  case $path in *@?*) ref=${path#*@} url=${url%@"$ref"} ;; esac
  case $url in
  http*) fetch "${url%.git}/archive/$ref.tar.gz" "$folder.tar.gz" && use_archive "$folder.tar.gz" && return 0 ;;
  esac
  if ! git=$(type -P git) || is_stub "$git"; then
    WHY=${WHY:-git is not here, and $(shown "$url") needs it}
    return 1
  fi
  rm -rf "$folder"
  export GIT_TERMINAL_PROMPT=0 GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes}"
  set -- -c http.lowSpeedLimit=1 -c http.lowSpeedTime="$STALL_SECONDS"
  run 0 git init --quiet "$folder" && run 0 in_source git "$@" fetch --quiet --depth 1 "$url" "$ref" &&
    run 0 in_source git "$@" checkout --quiet FETCH_HEAD || return 1
  export IMJOY_DOOR_SOURCE=$folder
  WHY=$NOT_IMJOY
  has_planner "$folder/bootstrap"
}

# --- handing over -----------------------------------------------------------------------------------------------------

# hand_over OPTIONS...: the planner takes our place.
hand_over() {
  local IFS=$'\n'
  # That of an old Python goes with all that is in it, and ours may lie elsewhere.
  case $FOLDER in "" | "${IMJOY_DOOR_FOLDER:-.}"/*) ;; *) export IMJOY_DOOR_FOLDER=$FOLDER ;; esac
  [ ${#NOTICES[@]} -eq 0 ] || export IMJOY_DOOR_NOTICE_LINES="${NOTICES[*]}"
  # The process that the line was typed in; the planner asks which shell it is.
  export IMJOY_DOOR_SHELL=$PPID
  # What follows in the pipe that this script came through is no answer to a question.
  [ -t 0 ] || exec </dev/null
  exec "$PYTHON" -I -B -c "$HAND_OVER" "$PLACE" install "$@"
}

main() {
  PREFIX=${IMJOY_PREFIX:-${HOME:+$HOME/ImJoyApp}} MIRROR=${IMJOY_MIRROR:-} SOURCE="" OFFLINE="" UNINSTALL=no
  JSON=no QUIET=no TOLD=no NOTICES=() WATCH="" FOLDER="" PYTHON="" OLDER="" PLACE="" WHY=""
  trap on_exit EXIT
  trap 'exit "$EXIT_INTERRUPTED"' INT TERM HUP
  SYSTEM=$(uname -s 2>/dev/null) || SYSTEM=unknown
  # An old Python's imjoy has unpacked its own sources, and this script with them.
  [ "${IMJOY_DOOR:-}" = python ] || unset IMJOY_DOOR "${!IMJOY_DOOR_@}"
  unset CDPATH GREP_OPTIONS TAR_OPTIONS GZIP __PYVENV_LAUNCHER__
  export IMJOY_DOOR=${IMJOY_DOOR:-install.sh}
  read_options "$@"
  case $SYSTEM in
  Linux | Darwin | unknown) ;;
  *) die host.system "this script knows Linux and macOS, and this is $SYSTEM" "" \
    "on Windows, in PowerShell: irm $PROJECT_URL/raw/HEAD/install.ps1 | iex" ;;
  esac
  find_python || fetch_python
  find_source
  hand_over "$@"
}

SCRIPT=${BASH_SOURCE[0]:-}
{ main "$@"; }
