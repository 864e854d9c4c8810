#!/usr/bin/env bash
#
# Installs imjoy into a folder of its own; `bash install.sh --help` says how.
#
# Order: facts, words, options, looking at the machine, the plan, the lock, the steps, what is told at the end.
# Looking changes nothing and collects every problem; only the steps write, and only under the prefix.
# Everything stands in functions, and the call on the last line is a brace group: a copy that was cut off while it came
# through a pipe does nothing. The syntax is that of bash 3.2, which macOS still has.

if [ -z "${BASH_VERSION:-}" ]; then
  echo "install.sh: this is a bash script; run it with bash, not with sh" >&2
  exit 2
fi
set -euo pipefail

# Functions that were exported to us, and aliases, would stand in for the commands that are meant.
unalias -a
while read -r _ _ inherited; do unset -f "$inherited"; done < <(declare -F)
unset inherited

# --- facts ------------------------------------------------------------------------------------------------------------

VERSION="0.12.0"
FLOOR="3.10"
# Those that the tests run on, best first; any other from the floor up is taken when none of these is there.
PREFERRED_PYTHONS="3.13 3.12 3.11 3.10"
PROJECT_URL="https://github.com/oeway/ImJoy-Engine"
IMJOY_MIB=300
VENV_MIB=400
LITTLE_MEMORY_MIB=2000
# A step that could not write its files takes them away again, and gives back what it had of the disk.
LEAST_FREE_KIB=32768
# What an existing conda is asked for.
CONDA_PYTHON="3.13"
# Linux reads 127 bytes of a script's first line, which holds the prefix and the interpreter's name.
LONGEST_CONDA_PREFIX=100
WITHOUT_CONDA="without a conda, plugins that name conda packages or another Python will not find one"
STOP_GRACE_SECONDS=5
CONNECT_SECONDS=15
STALL_SECONDS=30
DOWNLOAD_ATTEMPTS=4

# The same in install.sh, install.ps1 and imjoy.
EXIT_FAILED=1
EXIT_USAGE=2
EXIT_REFUSED=3
EXIT_NETWORK=4
EXIT_CHECKSUM=6
EXIT_LOCKED=7
EXIT_OUR_BUG=70
EXIT_INTERRUPTED=130

# The environment that imjoy lives in, of a conda that was there before.
ENVIRONMENT_NAME="imjoy"

# Run in the Python that may become the host: its version, what is missing in it (or nothing), the interpreter behind
# it when it is itself one of an environment. It has to parse on Python 2.7, to tell us that it is one.
PROBE_PYTHON='
import sys
missing = ""
try:
    import ensurepip, venv
except ImportError:
    missing = "venv"
print("%d.%d.%d" % sys.version_info[:3])
print(missing)
print(getattr(sys, "_base_executable", None) or sys.executable)
'

# Run in the Python of the prefix: fails unless every file of imjoy is there and everything that it requires fits. Other
# packages, which people add, are not looked at.
PROBE_INSTALLED='
import csv, sys
from importlib.metadata import distribution, version
from packaging.requirements import Requirement
imjoy = distribution("imjoy")
whole = all(imjoy.locate_file(row[0]).exists() for row in csv.reader(imjoy.read_text("RECORD").splitlines()))
needed = [Requirement(line) for line in imjoy.requires]
needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
fits = all(one.specifier.contains(version(one.name), prereleases=True) for one in needed)
sys.exit(not (whole and fits))
'

# Run in the Python of the prefix with the wheel's path: the wheel installs itself, by uv or by pip.
INSTALL_PACKAGES='
import sys
sys.path.insert(0, sys.argv[1])
from imjoy.provision.packages import main
sys.exit(main(sys.argv[1:]))
'

# --- installers: written by .ci/installer-tables from installers.json, do not edit
# What Python, conda and their installers put into a prefix, and so what may be removed again.
VENV_PARTS="bin include lib lib64 share pyvenv.cfg .gitignore .lock Include Lib Scripts"
CONDA_PARTS="bin include lib lib64 share pyvenv.cfg .gitignore .lock Include Lib Scripts .condarc .messages.txt
.nonadmin LICENSE.txt _conda _conda.exe cmake compiler_compat conda-meta condabin construct.yaml envs etc install.log
man mkspecs pkgs plugins sbin shell ssl var x86_64-conda-linux-gnu x86_64-conda_cos6-linux-gnu Library DLLs
aarch64-conda-linux-gnu Menu Tools libs python.exe pythonw.exe Uninstall-Miniconda3.exe Uninstall-Miniforge3.exe
conda.exe pre_install.bat .installer"

# installer_facts DISTRIBUTION PLATFORM: sets the INSTALLER_… variables; false when there is none.
installer_facts() {
  INSTALLER_FILE="" INSTALLER_SHA256=""
  case $1 in
  miniconda)
    INSTALLER_TITLE="Miniconda" INSTALLER_VERSION="py314_26.7.1-1"
    INSTALLER_GLIBC="2.28" INSTALLER_MACOS="12.1"
    INSTALLER_DOWNLOAD_MIB=164 INSTALLER_UNPACKED_MIB=400
    INSTALLER_BASE="https://repo.anaconda.com/miniconda/"
    ;;
  miniforge)
    INSTALLER_TITLE="Miniforge" INSTALLER_VERSION="26.7.2-0"
    INSTALLER_GLIBC="2.17" INSTALLER_MACOS="11.0"
    INSTALLER_DOWNLOAD_MIB=164 INSTALLER_UNPACKED_MIB=400
    INSTALLER_BASE="https://github.com/conda-forge/miniforge/releases/download/26.7.2-0/"
    ;;
  esac
  case $1-$2 in
  miniconda-linux-64)
    INSTALLER_FILE="Miniconda3-py314_26.7.1-1-Linux-x86_64.sh"
    INSTALLER_SHA256="e8b25b92b262499141c5bd57a98d3c008024185fa951494b9cd9b6d94e72338b"
    ;;
  miniconda-linux-aarch64)
    INSTALLER_FILE="Miniconda3-py314_26.7.1-1-Linux-aarch64.sh"
    INSTALLER_SHA256="e31545afd7462d3c9c33b154c7a101c5acb5e01b69380b6994651aead6942893"
    ;;
  miniconda-osx-arm64)
    INSTALLER_FILE="Miniconda3-py314_26.7.1-1-MacOSX-arm64.sh"
    INSTALLER_SHA256="9bdf85d31ea3b4b85ef26b2762d68e2d849fdd38b608fb5272127acef802ff75"
    ;;
  miniforge-linux-64)
    INSTALLER_FILE="Miniforge3-26.7.2-0-Linux-x86_64.sh"
    INSTALLER_SHA256="281b0ac7d550802efc81af633225a5e6116d29ae72f3ab4eae7168c3931a4c05"
    ;;
  miniforge-linux-aarch64)
    INSTALLER_FILE="Miniforge3-26.7.2-0-Linux-aarch64.sh"
    INSTALLER_SHA256="89b786c8d2c8b0fda7553914c1314ae4ddaa094503802f279377b19ac4463cb2"
    ;;
  miniforge-linux-ppc64le)
    INSTALLER_FILE="Miniforge3-26.7.2-0-Linux-ppc64le.sh"
    INSTALLER_SHA256="466e6af6766fe3d9aea18a7a6431d480f3a64995d53e8cbd438ca5a064b2c945"
    ;;
  miniforge-osx-64)
    INSTALLER_FILE="Miniforge3-26.7.2-0-MacOSX-x86_64.sh"
    INSTALLER_SHA256="b00e7798658f92721a3ae2f6b9832695ffc6baf07758894d726268055359f6c5"
    ;;
  miniforge-osx-arm64)
    INSTALLER_FILE="Miniforge3-26.7.2-0-MacOSX-arm64.sh"
    INSTALLER_SHA256="d70bfa2e97afcda96927c9b9ca0e2316cb7750e4ce651c94388267cbe9588711"
    ;;
  *) return 1 ;;
  esac
}
# --- end of installers

# --- words ------------------------------------------------------------------------------------------------------------

say() {
  [ "$QUIET" = yes ] || printf '%s\n' "$*" >&2
}

warn() {
  printf 'warning: %s\n' "$*" >&2
}

# die ID EXIT_CODE WHAT [FIX]: one error, on stderr and with --json also as a document on stdout.
die() {
  TOLD=yes
  [ "$STEP_OPEN" = no ] || printf '\n' >&2
  printf 'error: %s\n' "$3" >&2
  [ -z "${4:-}" ] || printf '  %s\n' "$4" >&2
  if [ "$JSON" = yes ]; then
    printf '{"schema": 1, "kind": "failure", "error": {"id": %s, "what": %s, "why": "", "fix": %s, "exit_code": %d}}\n' \
      "$(json_string "$1")" "$(json_string "$3")" "$(json_string "${4:-}")" "$2"
  fi
  exit "$2"
}

# usage_error WHAT
usage_error() {
  die usage.wrong "$EXIT_USAGE" "$1" "bash install.sh --help lists what there is"
}

# problem ID WHAT FIX: something that stands in the way; all of them are told together.
problem() {
  PROBLEM_IDS+=("$1")
  PROBLEM_WHATS+=("$2")
  PROBLEM_FIXES+=("$3")
}

# need COMMAND...: a problem for each that is not there.
need() {
  local name
  for name in "$@"; do
    command -v "$name" >/dev/null 2>&1 ||
      problem host.command "the command $name is not on PATH" "add the folder that holds $name to PATH"
  done
}

# run TITLE COMMAND...: run one step with its output in the log; returns the command's exit status.
run() {
  local title=$1 status=0 started took
  started=$(now)
  shift
  printf '\n$ %s\n' "$*" >>"$LOG"
  open_step "$title"
  # Job control gives the step a process group of its own, so that all of it can be stopped.
  set -m
  if [ "$VERBOSE" = yes ]; then
    "$@" </dev/null > >(tee -a "$LOG" >&2) 2>&1 &
  else
    "$@" </dev/null >>"$LOG" 2>&1 &
  fi
  CHILD=$!
  set +m
  printf '%s\n' "$CHILD" >"$LOCK/step"
  show_download "$title"
  wait "$CHILD" || status=$?
  CHILD=""
  rm -f "$LOCK/step"
  took=$(($(now) - started))
  note_time "$title" "$took"
  if [ "$status" -eq 0 ]; then
    close_step "$(in_seconds "$took") s"
  else
    close_step "failed"
  fi
  return "$status"
}

# now: milliseconds since some moment; only whole seconds in the bash of macOS.
now() {
  local micro=${EPOCHREALTIME:-}
  if [ -n "$micro" ]; then echo "$((${micro/[.,]/} / 1000))"; else echo "$((SECONDS * 1000))"; fi
}

# in_seconds MILLISECONDS
in_seconds() {
  printf '%d.%d' "$(($1 / 1000))" "$(($1 % 1000 / 100))"
}

# note_time TITLE MILLISECONDS: for the table that --verbose ends with.
note_time() {
  STEP_TITLES+=("$1")
  STEP_TIMES+=("$2")
}

# What took how long, and how much of it is neither the download nor the distribution's own installer.
print_times() {
  local i total=0 own=0
  [ "$VERBOSE" = yes ] || return 0
  for ((i = 0; i < ${#STEP_TIMES[@]}; i++)); do
    total=$((total + STEP_TIMES[i]))
    case ${STEP_TITLES[i]} in
    downloading* | "installing Mini"* | *"make the environment") ;;
    *) own=$((own + STEP_TIMES[i])) ;;
    esac
  done
  [ "$total" -gt 0 ] || return 0
  printf '\nWhere the time went:\n' >&2
  for ((i = 0; i < ${#STEP_TIMES[@]}; i++)); do
    printf '  %-44s%6s s %3d %%\n' "${STEP_TITLES[i]}" "$(in_seconds "${STEP_TIMES[i]}")" "$((STEP_TIMES[i] * 100 / total))" >&2
  done
  printf '  %-44s%6s s\n  %-44s%6s s\n' "in all" "$(in_seconds "$total")" "of that imjoy itself" "$(in_seconds "$own")" >&2
}

# show_download TITLE: on a terminal, how much of the file is here while the step runs.
show_download() {
  local here filled bar="############" empty="............"
  if [ -z "$DOWNLOADING" ] || [ "$REMOTE_BYTES" -le 0 ] || [ "$STEP_OPEN" = no ] || [ ! -t 2 ]; then return 0; fi
  while kill -0 "$CHILD" 2>/dev/null; do
    here=$(wc -c 2>/dev/null <"$DOWNLOADING" || echo 0)
    filled=$((here * ${#bar} / REMOTE_BYTES))
    printf '\r  %-44s%s%s %3d %% of %d MiB' "$1" "${bar:0:filled}" "${empty:filled}" \
      "$((here * 100 / REMOTE_BYTES))" "$((REMOTE_BYTES / 1048576))" >&2
    sleep 0.2
  done
  printf '\r  %-44s%30s\r  %-44s' "$1" "" "$1" >&2
}

open_step() {
  [ "$QUIET" = no ] || return 0
  if [ "$VERBOSE" = yes ]; then
    say "  $1"
  else
    STEP_OPEN=yes
    printf '  %-44s' "$1" >&2
  fi
}

close_step() {
  [ "$QUIET" = no ] || return 0
  STEP_OPEN=no
  printf '%s\n' "$1" >&2
}

# confirm QUESTION [DEFAULT]: true for yes. Reads the terminal, as stdin may be this script; without a terminal, and for
# an empty answer, it is the default, which is no.
confirm() {
  local answer="" default=${2:-no} choice="[y/N]"
  [ "$YES" = no ] || return 0
  [ "$default" = no ] || choice="[Y/n]"
  if { exec 3<>/dev/tty; } 2>/dev/null; then
    printf '%s %s ' "$1" "$choice" >&3
    read -r answer <&3 || true
    exec 3>&-
  fi
  case ${answer:-$default} in
  [yY]*) return 0 ;;
  *) return 1 ;;
  esac
}

json_string() {
  local text=$1
  text=${text//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\r'/\\r}
  text=${text//$'\t'/\\t}
  printf '"%s"' "$text"
}

# --- options ----------------------------------------------------------------------------------------------------------

print_help() {
  cat <<HELP
Installs imjoy, which runs native Python plugins for the ImJoy app.

usage: bash install.sh [options] [-- arguments for imjoy start]

It makes one folder with a Python, conda and imjoy, and edits nothing else: no
shell start-up file (unless --modify-path), no other Python, no other conda.

options:
  --prefix DIR   the folder (default: \$IMJOY_PREFIX, else ~/ImJoyApp)
  --distribution auto|miniconda|miniforge|existing|venv
                 where its Python comes from (default: \$IMJOY_DISTRIBUTION, else
                 auto: a conda that is here, else Miniconda, else Miniforge,
                 else a Python that is here)
  --from SOURCE  what to install: a checkout's folder, a wheel, or a git url
                 (default: the checkout that this script stands in, else
                 git+$PROJECT_URL)
  --mirror URL   where the installers of conda lie instead
                 (default: \$IMJOY_MIRROR)
  --offline DIR  take the installer and all wheels from this folder
  --installer FILE --sha256 HASH
                 run this installer of Miniconda or Miniforge
  --modify-path  also put imjoy on PATH for good: imjoy path --apply
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

It needs bash, and curl or wget. Run it again at any time: it finishes what was
interrupted, repairs, brings up to date, or finds nothing to do.
HELP
}

set_defaults() {
  PREFIX="${IMJOY_PREFIX:-}"
  SOURCE=""
  WISH="${IMJOY_DISTRIBUTION:-auto}"
  MIRROR="${IMJOY_MIRROR:-}"
  OFFLINE=""
  INSTALLER=""
  SHA256=""
  MODIFY_PATH=no
  UNINSTALL=no
  REMOVING=no
  START=no
  YES=no
  DRY_RUN=no
  JSON=no
  QUIET=no
  VERBOSE=no
  START_ARGUMENTS=()
  PROBLEM_IDS=()
  PROBLEM_WHATS=()
  PROBLEM_FIXES=()
  NOTICES=()
  DISTRIBUTION=""
  WHY=""
  CONDA=""
  ENVIRONMENT=""
  URL=""
  PYTHON=""
  PYTHON_VERSION=""
  STEP_OPEN=no
  STEP_TITLES=()
  STEP_TIMES=()
  DOWNLOADING=""
  REMOTE_BYTES=0
  TOLD=no
  LOCK=""
  LOCK_OWNER=""
  LOG=""
  LOG_FOLDER="${TMPDIR:-/tmp}"
  CHILD=""
  MADE_FOLDER=""
  UNDO=no
}

parse_options() {
  while [ $# -gt 0 ]; do
    case $1 in
    --prefix=* | --from=* | --distribution=* | --mirror=* | --offline=* | --installer=* | --sha256=*)
      set -- "${1%%=*}" "${1#*=}" "${@:2}"
      ;;
    esac
    case $1 in
    --prefix | --from | --distribution | --mirror | --offline | --installer | --sha256)
      case ${2:-} in "" | --*) usage_error "$1 wants a value" ;; esac
      case $1 in
      --prefix) PREFIX=$2 ;;
      --from) SOURCE=$2 ;;
      --distribution) WISH=$2 ;;
      --mirror) MIRROR=$2 ;;
      --offline) OFFLINE=$2 ;;
      --installer) INSTALLER=$2 ;;
      --sha256) SHA256=$2 ;;
      esac
      shift
      ;;
    --modify-path) MODIFY_PATH=yes ;;
    --uninstall) UNINSTALL=yes ;;
    --start) START=yes ;;
    --yes | -y) YES=yes ;;
    --dry-run) DRY_RUN=yes ;;
    --json) JSON=yes ;;
    --quiet | -q) QUIET=yes ;;
    --verbose | -v) VERBOSE=yes ;;
    --version)
      printf 'imjoy %s\n' "$VERSION"
      exit 0
      ;;
    --help | -h)
      print_help
      exit 0
      ;;
    --)
      shift
      START_ARGUMENTS=("$@")
      break
      ;;
    *) usage_error "$1 is not an option" ;;
    esac
    shift
  done
  if [ ${#START_ARGUMENTS[@]} -gt 0 ] && [ "$START" = no ]; then
    usage_error "arguments after -- go to imjoy start, and --start was not given"
  fi
  if [ "$QUIET" = yes ]; then VERBOSE=no; fi
  check_options
}

check_options() {
  case $WISH in
  auto | miniconda | miniforge | existing | venv) ;;
  *) usage_error "--distribution is auto, miniconda, miniforge, existing or venv, not $WISH" ;;
  esac
  if [ -n "$SHA256" ]; then
    case $SHA256 in
    *[!0-9a-fA-F]*) usage_error "--sha256 wants 64 hexadecimal digits" ;;
    esac
    [ ${#SHA256} -eq 64 ] || usage_error "--sha256 wants 64 hexadecimal digits, and got ${#SHA256}"
    [ -n "$INSTALLER$MIRROR$OFFLINE" ] || usage_error "--sha256 goes with --installer, --mirror or --offline"
  fi
  if [ -n "$INSTALLER" ]; then
    [ -n "$SHA256" ] || usage_error "--installer needs --sha256"
    [ -f "$INSTALLER" ] || usage_error "there is no file $INSTALLER"
    case $WISH in
    miniconda | miniforge) ;;
    *) usage_error "--installer wants --distribution miniconda or miniforge" ;;
    esac
  fi
  if [ -n "$OFFLINE" ]; then
    [ -d "$OFFLINE" ] || usage_error "there is no folder $OFFLINE"
    OFFLINE=$(cd "$OFFLINE" && pwd)
  fi
}

# --- looking at the machine: changes nothing --------------------------------------------------------------------------

# What leaks into a Python from outside, and pip settings that would put imjoy elsewhere. Indexes, proxies and
# certificates that the user set stay.
isolate() {
  unset PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE VIRTUAL_ENV __PYVENV_LAUNCHER__
  unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV PIP_NO_DEPS PIP_DRY_RUN PIP_QUIET
  unset CDPATH TAR_OPTIONS GREP_OPTIONS
  export PYTHONNOUSERSITE=1 PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off
  export GIT_TERMINAL_PROMPT=0
}

look_at_host() {
  need cat chmod cut date df dirname find grep head id ln ls mkdir mktemp mv readlink rm rmdir sed sleep sort tail tar tee tr uname wc
  OS=$(uname -s 2>/dev/null || echo unknown)
  case $OS in
  Linux | Darwin) ;;
  *) problem host.system "this script knows Linux and macOS, and this is $OS" \
    "on Windows: py -3 -m pip install git+$PROJECT_URL#egg=imjoy" ;;
  esac
}

# Prints the Pythons that there are, most wanted first, a path a line.
list_pythons() {
  local version
  for version in $PREFERRED_PYTHONS; do
    type -ap "python$version" || true
    ls -1 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/"$version".*/bin/python"$version" 2>/dev/null || true
  done
  type -ap python3 || true
  type -ap python || true
  # A prefix of ours keeps working when its Python is no longer on PATH.
  [ -z "$PREFIX" ] || ls -1 "$PREFIX/bin/python" 2>/dev/null || true
}

# at_least VERSION FLOOR
at_least() {
  local major=${1%%.*} rest=${1#*.}
  local minor=${rest%%.*}
  [ "$major" -gt "${2%%.*}" ] || { [ "$major" -eq "${2%%.*}" ] && [ "$minor" -ge "${2#*.}" ]; }
}

look_for_python() {
  local candidate answer version missing base without_venv="" too_old=""
  PYTHON=""
  PYTHON_VERSION=""
  while IFS= read -r candidate; do
    answer=$("$candidate" -E -s -c "$PROBE_PYTHON" 2>/dev/null </dev/null) || continue
    { read -r version && IFS= read -r missing && IFS= read -r base; } <<<"$answer" || continue
    if ! at_least "$version" "$FLOOR"; then
      too_old="${too_old:-Python $version ($candidate)}"
    elif [ -n "$missing" ]; then
      without_venv="${without_venv:-$version $candidate}"
    else
      PYTHON=$base
      PYTHON_VERSION=$version
      return 0
    fi
  done < <(list_pythons)
  if [ -n "$without_venv" ]; then
    version=${without_venv%% *}
    problem host.venv "Python $version (${without_venv#* }) cannot make environments: its venv or ensurepip is missing" \
      "sudo apt install python${version%.*}-venv"
  elif [ -n "$too_old" ]; then
    problem host.python "imjoy needs Python $FLOOR or newer, and the best here is $too_old" "$(python_advice)"
  else
    problem host.python "imjoy needs Python $FLOOR or newer, and there is none on PATH" "$(python_advice)"
  fi
}

python_advice() {
  if command -v apt-get >/dev/null 2>&1; then
    echo "sudo apt install python3 python3-venv"
  elif command -v dnf >/dev/null 2>&1; then
    echo "sudo dnf install python3.12"
  elif command -v brew >/dev/null 2>&1; then
    echo "brew install python"
  else
    echo "install one from https://www.python.org/downloads/"
  fi
}

# Where does the prefix stand: PREFIX_STATE is new, unfinished (an interrupted first install), interrupted (an
# interrupted change of a finished one), installed, foreign or unusable.
look_at_prefix() {
  PREFIX_STATE=unusable
  if [ -z "$PREFIX" ]; then
    if [ -z "${HOME:-}" ]; then
      problem prefix.unknown "HOME is not set, so there is no ~/ImJoyApp to install into" "give a folder: --prefix DIR"
      return 0
    fi
    PREFIX="$HOME/ImJoyApp"
  fi
  case $PREFIX in
  /*) ;;
  *) PREFIX="$PWD/$PREFIX" ;;
  esac
  while [ "$PREFIX" != / ] && [ "$PREFIX" != "${PREFIX%/}" ]; do PREFIX=${PREFIX%/}; done
  case $PREFIX in
  *[:\"\$\`\\]* | *$'\n'*)
    problem prefix.name "$PREFIX holds a character that a PATH or a shell line cannot carry" \
      "choose a folder without : \" \$ \` \\ in its name: --prefix DIR"
    return 0
    ;;
  esac
  use_environment "$(real_folder "$PREFIX")"
  if [ ! -e "$PREFIX" ] && { [ ! -L "$PREFIX" ] || is_left_over "$PREFIX"; }; then
    look_at_parent
    return 0
  elif [ ! -d "$PREFIX" ]; then
    problem prefix.not_a_folder "$PREFIX is there and is not a folder" "choose another: --prefix DIR"
    return 0
  elif [ ! -w "$PREFIX" ] || [ ! -x "$PREFIX" ]; then
    problem prefix.unwritable "$PREFIX cannot be written to" "choose another folder: --prefix DIR"
    return 0
  fi
  PREFIX_STATE=$(state_of "$PREFIX")
  if [ "$PREFIX_STATE" = foreign ]; then
    problem prefix.foreign "$PREFIX holds files that this script did not put there" "choose another folder: --prefix DIR"
  fi
}

# use_environment FOLDER: everything of an install lies in there. It is the prefix, or, with a conda that was there
# before, its environment `imjoy`, which the prefix is then a link to.
use_environment() {
  ENVIRONMENT=$1
  OURS="$ENVIRONMENT/.imjoy"
  LOCK_FOLDER="$OURS/install.lock"
}

real_folder() {
  if [ -L "$1" ] && [ -d "$1" ]; then (cd -P "$1" && pwd -P); else printf '%s' "$1"; fi
}

# is_left_over PREFIX: true for a link of ours to an environment that somebody has removed.
is_left_over() {
  [ -L "$1" ] && [ ! -e "$1" ] && case $(readlink "$1") in */"$ENVIRONMENT_NAME") ;; *) false ;; esac
}

look_at_parent() {
  local parent=$PREFIX
  while [ ! -e "$parent" ]; do
    parent=${parent%/*}
    parent=${parent:-/}
  done
  if [ ! -d "$parent" ]; then
    problem prefix.not_a_folder "$PREFIX cannot be made, because $parent is not a folder" "choose another: --prefix DIR"
  elif [ ! -w "$parent" ] || [ ! -x "$parent" ]; then
    problem prefix.unwritable "$PREFIX cannot be made, because $parent cannot be written to" \
      "choose another folder: --prefix DIR"
  else
    PREFIX_STATE=new
  fi
}

look_at_disk() {
  local there=$ENVIRONMENT free disk needed=$((VENV_MIB + IMJOY_MIB))
  if [ -n "$URL" ]; then
    needed=$((INSTALLER_DOWNLOAD_MIB + INSTALLER_UNPACKED_MIB + IMJOY_MIB))
    if [ "$REMOTE_BYTES" -gt $((INSTALLER_DOWNLOAD_MIB << 20)) ]; then needed=$((needed + (REMOTE_BYTES >> 20))); fi
  fi
  while [ ! -d "$there" ]; do
    there=${there%/*}
    there=${there:-/}
  done
  read -r _ _ _ free _ disk < <(df -Pk "$there" 2>/dev/null | tail -n 1) || return 0
  if mount 2>/dev/null | grep -F " on $disk " | tail -n 1 | grep -Eq '[(, ]noexec[,) ]'; then
    problem prefix.noexec "the disk of $there forbids programs (noexec)" "choose another disk: --prefix DIR"
  fi
  [ "$PREFIX_STATE" = new ] || return 0
  case $free in
  "" | *[!0-9]*) return 0 ;;
  esac
  if [ "$((free / 1024))" -lt "$needed" ]; then
    problem host.disk "$there has $((free / 1024)) MiB free, and $needed MiB are needed" \
      "make room, or choose another disk: --prefix DIR"
  fi
}

# Sets PLATFORM, conda's name for this machine (or nothing), LIBC (a version of glibc, musl, or nothing) and MACOS.
look_at_platform() {
  local machine
  machine=$(uname -m)
  PLATFORM="" LIBC="" MACOS=""
  case $OS in
  Linux)
    # A 32-bit system may run on a 64-bit kernel.
    case $machine-$(getconf LONG_BIT 2>/dev/null || echo 64) in
    x86_64-64) PLATFORM=linux-64 ;;
    aarch64-64) PLATFORM=linux-aarch64 ;;
    ppc64le-64) PLATFORM=linux-ppc64le ;;
    esac
    LIBC=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed -n 's/^glibc //p' || true)
    [ -n "$LIBC" ] || LIBC=musl
    if grep -qi microsoft /proc/version 2>/dev/null; then
      NOTICES+=("this is WSL: programs on the Windows side do not see what is installed here")
    fi
    ;;
  Darwin)
    MACOS=$(sw_vers -productVersion 2>/dev/null || echo 0)
    if [ "$(sysctl -n sysctl.proc_translated 2>/dev/null || echo 0)" = 1 ]; then
      machine=arm64
      NOTICES+=("this terminal runs under Rosetta; the build for Apple silicon is installed all the same")
    fi
    case $machine in
    arm64) PLATFORM=osx-arm64 ;;
    x86_64) PLATFORM=osx-64 ;;
    esac
    ;;
  esac
  look_at_memory
  [ "$(id -u)" != 0 ] || NOTICES+=("you are root: what is installed belongs to root")
}

look_at_memory() {
  local bytes kib=""
  if [ "$OS" = Darwin ]; then
    bytes=$(sysctl -n hw.memsize 2>/dev/null || true)
    kib=$((${bytes:-0} / 1024))
  elif [ -r /proc/meminfo ]; then
    kib=$(sed -n -e 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
  fi
  if [ "${kib:-0}" -gt 0 ] && [ "$((kib / 1024))" -lt "$LITTLE_MEMORY_MIB" ]; then
    NOTICES+=("this machine has $((kib / 1024)) MiB of memory; plugins may want more")
  fi
}

# Sets CONDA to the first conda that works and is not the prefix's own, and CONDA_VERSION.
look_for_conda() {
  local candidate answer
  CONDA=""
  while IFS= read -r candidate; do
    case $candidate in "$PREFIX"/* | "$ENVIRONMENT"/*) continue ;; esac
    [ -x "$candidate" ] || continue
    answer=$("$candidate" -V 2>/dev/null </dev/null) || continue
    case $answer in
    "conda "[0-9]*)
      CONDA=$candidate
      CONDA_VERSION=${answer#conda }
      return 0
      ;;
    esac
  done < <(list_condas)
}

# Sets FOLDER to where that conda keeps its environment `imjoy`, in the first of its folders that can be written to, and
# FOLDER_STATE to how that stands; false when it does not say.
look_for_environment() {
  local folder nearest
  while IFS= read -r folder || [ -n "$folder" ]; do
    nearest=$folder
    while [ ! -e "$nearest" ]; do nearest=$(dirname "$nearest"); done
    [ -w "$nearest" ] || continue
    FOLDER="$folder/$ENVIRONMENT_NAME"
    FOLDER_STATE=$(state_of "$FOLDER")
    return 0
  done < <("$CONDA" info --json 2>/dev/null </dev/null | tr -d '\n' | sed -e 's/.*"envs_dirs": *\[\([^]]*\)\].*/\1/' |
    tr ',' '\n' | sed -n -e 's/^ *"\(.*\)" *$/\1/p')
  return 1
}

# state_of FOLDER: new, unfinished, interrupted, installed or foreign, by what lies in it.
state_of() {
  local inside
  inside=$(ls -A "$1" 2>/dev/null || true)
  if [ -f "$1/.imjoy/incomplete" ]; then
    head -n 1 "$1/.imjoy/incomplete"
  elif [ -f "$1/.imjoy/receipt.json" ]; then
    echo installed
  elif [ -z "$inside" ] || [ "$inside" = .imjoy ]; then
    echo new
  else
    echo foreign
  fi
}

list_condas() {
  local folder
  [ -z "${CONDA_EXE:-}" ] || printf '%s\n' "$CONDA_EXE"
  type -ap conda || true
  for folder in "${HOME:-}"/{miniconda3,miniforge3,mambaforge,anaconda3} /opt/{conda,miniconda3,miniforge3,anaconda3}; do
    printf '%s\n' "$folder/bin/conda"
  done
}

# why_no_conda_here: prints why conda cannot live in a prefix of this name, or nothing.
why_no_conda_here() {
  # Other locales have letters between the space and the tilde.
  local LC_ALL=C
  case $PREFIX in
  *" "*) echo "conda cannot live in a folder with spaces in its name: $PREFIX" ;;
  *[!\ -~]*) echo "conda cannot live in a folder with letters beyond ASCII in its name: $PREFIX" ;;
  *)
    [ ${#PREFIX} -le "$LONGEST_CONDA_PREFIX" ] ||
      echo "conda cannot live in a folder whose name is ${#PREFIX} characters long"
    ;;
  esac
}

# Sets REASON to why the distribution that installer_facts told of cannot be had here, or to nothing, and REMOTE_BYTES to
# the size of its installer where a server tells it.
why_not() {
  REASON=""
  REMOTE_BYTES=0
  if [ -z "$INSTALLER_FILE" ]; then
    REASON="$INSTALLER_TITLE has no build for ${PLATFORM:-this machine}"
  elif [ "$OS" = Linux ] && [ "$LIBC" = musl ]; then
    REASON="$INSTALLER_TITLE needs glibc, and this system has none"
  elif [ "$OS" = Linux ] && ! at_least "$LIBC" "$INSTALLER_GLIBC"; then
    REASON="$INSTALLER_TITLE needs glibc $INSTALLER_GLIBC, and this is $LIBC"
  elif [ "$OS" = Darwin ] && ! at_least "$MACOS" "$INSTALLER_MACOS"; then
    REASON="$INSTALLER_TITLE needs macOS $INSTALLER_MACOS, and this is $MACOS"
  elif [ -n "$INSTALLER" ]; then
    :
  elif [ -n "$OFFLINE" ]; then
    [ -f "$OFFLINE/$INSTALLER_FILE" ] || REASON="$OFFLINE does not hold $INSTALLER_FILE"
  elif ! REMOTE_BYTES=$(size_of "$(installer_url)"); then
    REASON="$(installer_url) cannot be reached"
  fi
}

installer_url() {
  if [ -n "$MIRROR" ]; then
    printf '%s/%s' "${MIRROR%/}" "$INSTALLER_FILE"
  else
    printf '%s%s' "$INSTALLER_BASE" "$INSTALLER_FILE"
  fi
}

# size_of URL: true when a server has it; prints the size that it tells, or 0.
size_of() {
  local said
  if command -v curl >/dev/null 2>&1; then
    said=$(curl --fail --silent --location --head --connect-timeout "$CONNECT_SECONDS" --max-time "$STALL_SECONDS" "$1") ||
      return 1
  elif command -v wget >/dev/null 2>&1; then
    said=$(wget --server-response --spider --tries=1 --timeout="$CONNECT_SECONDS" "$1" 2>&1) || return 1
  else
    return 1
  fi
  said=$(printf '%s\n' "$said" | tr -d '\r' | sed -n -e 's/^ *[Cc]ontent-[Ll]ength: *\([0-9]*\)$/\1/p' | tail -n 1)
  printf '%d' "${said:-0}"
}

# Where the prefix's Python comes from: DISTRIBUTION, and WHY. For what is installed already the receipt says it.
choose_distribution() {
  local wish=$WISH reason name known=""
  case $PREFIX_STATE in
  installed | interrupted)
    known=$(receipt_value distribution)
    if environment_works; then
      DISTRIBUTION=${known:-venv}
      WHY="it is what the prefix has"
      case $wish in auto | "$DISTRIBUTION") ;; *) NOTICES+=("the prefix has $DISTRIBUTION; --distribution chooses for a new one") ;; esac
      PYTHON="$PREFIX/bin/python"
      PYTHON_VERSION=$("$PYTHON" -E -s -c "$PROBE_PYTHON" </dev/null | head -n 1)
      return 0
    fi
    wish=${known:-venv}
    ;;
  esac
  if [ "$wish" = venv ]; then
    take_python "it was asked for"
    return 0
  fi
  reason=$(why_no_conda_here)
  if [ "$wish" != auto ] && [ "$wish" != existing ] && [ -n "$reason" ]; then
    problem prefix.conda "$reason" "--prefix ${HOME:-/opt}/ImJoyApp, or --distribution venv"
    DISTRIBUTION=$wish
    return 0
  fi
  if [ "$wish" = auto ] || [ "$wish" = existing ]; then
    if take_existing_conda "$wish"; then return 0; fi
  fi
  if [ -n "$reason" ]; then
    NOTICES+=("$reason")
    take_python "conda cannot live in this prefix"
    return 0
  fi
  for name in miniconda miniforge; do
    case $wish in auto | "$name") ;; *) continue ;; esac
    installer_facts "$name" "$PLATFORM" || true
    why_not
    reason=$REASON
    if [ -z "$reason" ]; then
      take_installer "$name"
      return 0
    fi
    NOTICES+=("$reason")
    if [ "$wish" != auto ]; then
      case $reason in
      *"cannot be reached" | *"does not hold"*)
        problem network.installer "$reason" "look at the network, or --distribution venv"
        ;;
      *) problem host.unsuited "$reason" "--distribution venv or existing" ;;
      esac
      DISTRIBUTION=$name
      return 0
    fi
  done
  take_python "neither Miniconda nor Miniforge can be had"
}

# take_existing_conda WISH: true when the question is settled: it will be used, or its absence is a problem.
take_existing_conda() {
  local foreign
  look_for_conda
  if [ -z "$CONDA" ] || ! look_for_environment; then
    [ "$1" = existing ] || return 1
    problem conda.none "there is no conda that works" "--distribution miniconda brings one"
    DISTRIBUTION=existing
    return 0
  fi
  case $PREFIX_STATE in installed | interrupted) FOLDER=$ENVIRONMENT FOLDER_STATE=$PREFIX_STATE ;; esac
  if [ "$FOLDER_STATE" = foreign ]; then
    foreign="$FOLDER is an environment that no install of imjoy made"
    CONDA=""
    if [ "$1" = auto ]; then
      NOTICES+=("$foreign")
      return 1
    fi
    problem conda.foreign "$foreign" "--distribution miniconda, or, if nobody needs it: conda env remove --prefix $FOLDER"
    DISTRIBUTION=existing
    return 0
  fi
  if [ "$1" = auto ] && ! offered_conda_is_wanted; then
    CONDA=""
    return 1
  fi
  DISTRIBUTION=existing
  WHY="conda $CONDA_VERSION is here: $CONDA"
  use_environment "$FOLDER"
  [ "$FOLDER_STATE" = new ] || PREFIX_STATE=$FOLDER_STATE
}

# Whoever has a conda is asked; where nobody can be, it is taken, and the plan says so.
offered_conda_is_wanted() {
  [ "$DRY_RUN" = no ] && [ "$JSON" = no ] || return 0
  confirm "There is a conda $CONDA_VERSION: $CONDA
Shall it make the environment $FOLDER for imjoy? It is not changed itself." yes
}

take_python() {
  DISTRIBUTION=venv
  WHY=$1
  NOTICES+=("$WITHOUT_CONDA")
  look_for_python
}

take_installer() {
  DISTRIBUTION=$1
  WHY="it brings a Python and a conda of its own"
  URL=$(installer_url)
  INSTALLER_SHA256=${SHA256:-$INSTALLER_SHA256}
  if [ -z "$(hash_command)" ]; then
    problem host.hash "there is no sha256sum, shasum or openssl to check a download with" "install one of these"
  fi
}

hash_command() {
  if command -v sha256sum >/dev/null 2>&1; then
    echo sha256sum
  elif command -v shasum >/dev/null 2>&1; then
    echo "shasum -a 256"
  elif command -v openssl >/dev/null 2>&1; then
    echo "openssl dgst -sha256 -r"
  fi
}

# The folder that this script stands in, when that is a checkout of imjoy; nothing when it came through a pipe.
own_checkout() {
  local script=${BASH_SOURCE[0]:-} folder
  [ -f "$script" ] || return 0
  folder=$(cd "$(dirname "$script")" && pwd) || return 0
  if is_checkout "$folder"; then printf '%s' "$folder"; fi
}

# The wheel in the folder of --offline; its pattern where there is none, so that this is what is missed.
offline_wheel() {
  local file last="$OFFLINE/imjoy-*.whl"
  [ -n "$OFFLINE" ] || return 0
  for file in "$OFFLINE"/imjoy-*.whl; do if [ -f "$file" ]; then last=$file; fi; done
  printf '%s' "$last"
}

is_checkout() {
  [ -f "$1/pyproject.toml" ] && [ -f "$1/bootstrap/imjoy/__init__.py" ]
}

# What is to be installed: SOURCE_KIND (checkout, wheel, git, url), SOURCE_PLACE and SOURCE_ID, which differs when the
# source differs and is empty when that cannot be known.
look_at_source() {
  SOURCE_KIND=unknown
  SOURCE_PLACE=${SOURCE:-$(offline_wheel)}
  SOURCE_PLACE=${SOURCE_PLACE:-$(own_checkout)}
  SOURCE_PLACE=${SOURCE_PLACE:-git+$PROJECT_URL}
  SOURCE_ID="" SOURCE_REF=""
  if [ -d "$SOURCE_PLACE" ]; then
    SOURCE_PLACE=$(cd "$SOURCE_PLACE" && pwd)
    if is_checkout "$SOURCE_PLACE"; then
      SOURCE_KIND=checkout
      SOURCE_ID=$(named tree "$(fingerprint "$SOURCE_PLACE")")
    else
      problem source.not_imjoy "$SOURCE_PLACE is not a checkout of imjoy" "git clone $PROJECT_URL makes one"
    fi
    return 0
  fi
  case $SOURCE_PLACE in
  git+*) look_at_git "$SOURCE_PLACE" ;;
  https://*.whl | https://*.zip | https://*.tar.gz) SOURCE_KIND=url ;;
  https://* | ssh://* | file://*) look_at_git "git+$SOURCE_PLACE" ;;
  *.whl)
    if [ -f "$SOURCE_PLACE" ]; then
      case $SOURCE_PLACE in /*) ;; *) SOURCE_PLACE="$PWD/$SOURCE_PLACE" ;; esac
      SOURCE_KIND=wheel
      SOURCE_ID=$(named wheel "$(sha256 <"$SOURCE_PLACE")")
    else
      problem source.missing "there is no file $SOURCE_PLACE" "$(how_to_have_one)"
    fi
    ;;
  *) problem source.missing "$SOURCE_PLACE is no folder, no wheel and no git url" \
    "give one of these: --from SOURCE" ;;
  esac
}

how_to_have_one() {
  if [ -n "$OFFLINE" ] && [ -z "$SOURCE" ]; then
    echo "where there is a network, this makes all wheels: python3 -m pip wheel --wheel-dir DIR git+$PROJECT_URL"
  else
    echo "give a wheel, a checkout's folder or a git url: --from SOURCE"
  fi
}

# A number that changes when any file that would be installed does: the SHA-256 of a line for each file, with its own
# SHA-256 and its path. `imjoy install` counts in the same way, so changing doors is no upgrade.
fingerprint() {
  local hash
  read -r -a hash <<<"$(hash_command)"
  [ ${#hash[@]} -gt 0 ] || return 0
  (cd "$1" && LC_ALL=C && export LC_ALL && find setup.py pyproject.toml MANIFEST.in README.md LICENSE bootstrap engine \
    -type f ! -name '*.py[co]' ! -path '*.egg-info/*' ! -path '*__pycache__*' -exec "${hash[@]}" {} + |
    sed -e 's/^\([0-9a-f]*\) [ *]/\1  /' | sort -k 2 | sha256)
}

# sha256: of what comes in; nothing where there is no tool for it.
sha256() {
  local hash
  read -r -a hash <<<"$(hash_command)"
  [ ${#hash[@]} -gt 0 ] || return 0
  "${hash[@]}" | cut -d ' ' -f 1
}

# named KIND VALUE: KIND:VALUE, or nothing where there is no value.
named() {
  [ -z "$2" ] || printf '%s:%s' "$1" "$2"
}

have_git() {
  command -v git >/dev/null 2>&1 || return 1
  # The git that macOS ships without its developer tools only opens a dialog.
  [ "$OS" != Darwin ] || [ "$(command -v git)" != /usr/bin/git ] || xcode-select -p >/dev/null 2>&1
}

# look_at_git URL: find the commit, so that exactly that one is installed and the next run knows whether it moved.
look_at_git() {
  local url=${1#git+} ref=HEAD path answer
  url=${url%%#*}
  # An @ before the first slash of the path belongs to the server's name; a branch's name may have slashes.
  case $url in
  *://*/*@?*)
    path=${url#*://}
    path=${path#*/}
    ref=${path#*@}
    url=${url%@"$ref"}
    SOURCE_REF=$ref
    ;;
  esac
  SOURCE_KIND=git
  SOURCE_PLACE="git+$url"
  if ! have_git; then
    case $url in
    https://github.com/*)
      SOURCE_KIND=url
      SOURCE_REF=""
      SOURCE_PLACE="${url%.git}/archive/$ref.zip"
      ;;
    *) problem host.git "git is not here, and $url needs it" "install git, or give a wheel: --from FILE" ;;
    esac
    return 0
  fi
  case $ref in
  *[!0-9a-f]*) ;;
  ????????????????????????????????????????)
    SOURCE_ID="commit:$ref"
    return 0
    ;;
  esac
  if answer=$(GIT_SSH_COMMAND="${GIT_SSH_COMMAND:-ssh -o BatchMode=yes}" git -c http.lowSpeedLimit=1 \
    -c http.lowSpeedTime=15 ls-remote "$url" "$ref" "refs/tags/$ref^{}" 2>&1 </dev/null); then
    answer=$(printf '%s\n' "$answer" | sed -n -e 's/^\([0-9a-f]\{40\}\)[[:space:]].*$/\1/p' | tail -n 1)
    if [ -n "$answer" ]; then
      SOURCE_ID="commit:$answer"
    else
      problem source.missing "$url has no branch, tag or commit $ref" "git ls-remote $url lists what there is"
    fi
  else
    NETWORK_EVIDENCE=$(printf '%s\n' "$answer" | tail -n 1)
  fi
}

# works: the imjoy in the prefix starts and is whole. Writes no bytecode.
works() {
  [ -x "$ENVIRONMENT/bin/imjoy" ] &&
    PYTHONDONTWRITEBYTECODE=1 "$ENVIRONMENT/bin/imjoy" --version >/dev/null 2>&1 </dev/null &&
    PYTHONDONTWRITEBYTECODE=1 "$ENVIRONMENT/bin/python" -I -c "$PROBE_INSTALLED" >/dev/null 2>&1 </dev/null
}

environment_works() {
  [ -x "$ENVIRONMENT/bin/python" ] && "$ENVIRONMENT/bin/python" -m pip --version >/dev/null 2>&1 </dev/null
}

# receipt_value NAME: what the receipt says, as written there.
receipt_value() {
  sed -n -e "s/^  \"$1\": \"\(.*\)\",\{0,1\}\$/\1/p" "$OURS/receipt.json" 2>/dev/null
}

# --- the plan ---------------------------------------------------------------------------------------------------------

# ACTION is install, finish, upgrade, repair, none or refuse.
make_plan() {
  case $PREFIX_STATE in
  new) ACTION=install ;;
  unfinished) ACTION=finish ;;
  interrupted) ACTION=repair ;;
  installed)
    if ! works; then
      ACTION=repair
    elif [ ! "$PREFIX" -ef "$ENVIRONMENT" ]; then
      ACTION=upgrade
    elif [ -n "$NETWORK_EVIDENCE" ]; then
      ACTION=none
      NOTICES+=("${SOURCE_PLACE#git+} could not be asked for a newer one")
    elif [ -n "$SOURCE_ID" ] && [ "$(receipt_value source_id)" = "$SOURCE_ID" ]; then
      ACTION=none
    else
      ACTION=upgrade
    fi
    ;;
  *) ACTION=refuse ;;
  esac
  if [ -n "$NETWORK_EVIDENCE" ] && [ "$ACTION" != none ] && [ ${#PROBLEM_IDS[@]} -eq 0 ]; then
    die network.source "$EXIT_NETWORK" "${SOURCE_PLACE#git+} cannot be reached, and nothing was changed" \
      "$NETWORK_EVIDENCE"
  fi
  [ ${#PROBLEM_IDS[@]} -eq 0 ] || ACTION=refuse
}

look() {
  NETWORK_EVIDENCE=""
  SOURCE_KIND=unknown SOURCE_PLACE=$SOURCE SOURCE_ID="" ACTION=refuse
  look_at_host
  # Without them nothing else can be looked at.
  [ ${#PROBLEM_IDS[@]} -eq 0 ] || return 0
  look_at_prefix
  look_at_platform
  case $PREFIX_STATE in
  new | unfinished | installed | interrupted) choose_distribution ;;
  *) take_python "the prefix cannot be used" ;;
  esac
  look_at_disk
  look_at_source
  make_plan
}

# The steps of the plan, a line each, in the words of the progress lines.
plan_steps() {
  case $ACTION in
  install | finish)
    case $DISTRIBUTION in
    venv) echo "make the environment" ;;
    existing) echo "have conda make the environment" ;;
    *)
      echo "download $INSTALLER_TITLE"
      echo "install $INSTALLER_TITLE"
      ;;
    esac
    [ "$SOURCE_KIND" = wheel ] || echo "build imjoy"
    echo "install imjoy and what it needs"
    echo "check that it answers"
    ;;
  upgrade | repair)
    environment_works || echo "make the environment again"
    [ "$SOURCE_KIND" = wheel ] || echo "build imjoy"
    echo "install imjoy and what it needs again"
    echo "check that it answers"
    ;;
  esac
}

refuse() {
  local i status=$EXIT_NETWORK
  TOLD=yes
  if [ "$JSON" = yes ]; then print_plan_json; fi
  for ((i = 0; i < ${#PROBLEM_IDS[@]}; i++)); do
    case ${PROBLEM_IDS[i]} in network.*) ;; *) status=$EXIT_REFUSED ;; esac
  done
  printf 'error: imjoy cannot be installed here yet, and nothing was changed:\n' >&2
  for ((i = 0; i < ${#PROBLEM_IDS[@]}; i++)); do
    printf '\n  %s\n    %s\n' "${PROBLEM_WHATS[i]}" "${PROBLEM_FIXES[i]}" >&2
  done
  exit "$status"
}

describe_plan() {
  local i
  case $ACTION in
  install) printf 'Install imjoy\n' ;;
  finish) printf 'Finish an interrupted install of imjoy\n' ;;
  upgrade) printf 'Bring imjoy up to date\n' ;;
  repair) printf 'Repair imjoy\n' ;;
  none) printf 'Look at imjoy\n' ;;
  esac
  printf '  into  %s\n' "$(short "$PREFIX")"
  printf '  from  %s\n' "$(short "$SOURCE_PLACE")"
  case $DISTRIBUTION in
  miniconda | miniforge)
    if [ -n "$URL" ]; then
      printf '  with  %s %s\n' "$INSTALLER_TITLE" "$INSTALLER_VERSION"
    else
      printf '  with  its %s\n' "$DISTRIBUTION"
    fi
    ;;
  existing)
    printf '  with  conda %s\n' "${CONDA_VERSION:+$CONDA_VERSION ($(short "$CONDA"))}"
    printf '  in    %s, which %s is a link to\n' "$(short "$ENVIRONMENT")" "$(short "$PREFIX")"
    ;;
  *) printf '  with  Python %s (%s)\n' "$PYTHON_VERSION" "$(short "$PYTHON")" ;;
  esac
  for ((i = 0; i < ${#NOTICES[@]}; i++)); do printf '  note  %s\n' "$(wrapped 8 "${NOTICES[i]}")"; done
}

print_plan_text() {
  describe_plan
  echo
  if [ "$ACTION" = none ]; then
    echo "Nothing to do: it is installed and works."
  else
    echo "Steps:"
    plan_steps | sed 's/^/  - /'
  fi
}

print_plan_json() {
  local i separator="" environment=""
  printf '{\n  "schema": 1,\n  "kind": "plan",\n  "version": %s,\n  "action": %s,\n' \
    "$(json_string "$VERSION")" "$(json_string "$ACTION")"
  printf '  "prefix": %s,\n  "python": {"path": %s, "version": %s},\n' \
    "$(json_string "$PREFIX")" "$(json_string "$PYTHON")" "$(json_string "$PYTHON_VERSION")"
  [ "$ENVIRONMENT" = "$PREFIX" ] || environment=$ENVIRONMENT
  printf '  "distribution": {"name": %s, "why": %s, "url": %s, "conda": %s, "environment": %s},\n' \
    "$(json_string "$DISTRIBUTION")" "$(json_string "$WHY")" "$(json_string "$URL")" "$(json_string "$CONDA")" \
    "$(json_string "$environment")"
  printf '  "notices": %s,\n' "$(json_notices)"
  printf '  "source": {"kind": %s, "place": %s, "id": %s},\n  "steps": [' \
    "$(json_string "$SOURCE_KIND")" "$(json_string "$SOURCE_PLACE")" "$(json_string "$SOURCE_ID")"
  while IFS= read -r step; do
    printf '%s%s' "$separator" "$(json_string "$step")"
    separator=", "
  done < <(plan_steps)
  printf '],\n  "problems": ['
  separator=""
  for ((i = 0; i < ${#PROBLEM_IDS[@]}; i++)); do
    printf '%s\n    {"id": %s, "what": %s, "fix": %s}' "$separator" "$(json_string "${PROBLEM_IDS[i]}")" \
      "$(json_string "${PROBLEM_WHATS[i]}")" "$(json_string "${PROBLEM_FIXES[i]}")"
    separator=","
  done
  [ -z "$separator" ] || printf '\n  '
  printf ']\n}\n'
}

json_notices() {
  local i separator=""
  printf '['
  for ((i = 0; i < ${#NOTICES[@]}; i++)); do
    printf '%s%s' "$separator" "$(json_string "${NOTICES[i]}")"
    separator=", "
  done
  printf ']'
}

# wrapped INDENT TEXT: in lines as wide as the terminal, all but the first with INDENT spaces before them; where there is
# no terminal, as it is.
wrapped() {
  local words word line="" width
  width=$(stty size <&2 2>/dev/null) || width=""
  width=$((${width#* } - $1))
  if [ "$width" -le 0 ]; then
    printf '%s' "$2"
    return
  fi
  read -r -a words <<<"$2"
  for word in "${words[@]}"; do
    if [ -n "$line" ] && [ $((${#line} + 1 + ${#word})) -gt "$width" ]; then
      printf '%s\n%*s' "$line" "$1" ""
      line=""
    fi
    line="$line${line:+ }$word"
  done
  printf '%s' "$line"
}

# short PATH: with ~ for the home folder, for people.
short() {
  case ${HOME:+$1} in
  "${HOME:-}"/*) printf '%s' "~${1#"$HOME"}" ;;
  *) printf '%s' "$1" ;;
  esac
}

# --- the lock: a folder, because making one is atomic on every file system --------------------------------------------

# alive PID
alive() {
  ps -p "$1" >/dev/null 2>&1 || kill -0 "$1" 2>/dev/null
}

# identity PID: who that process is, so that a number used again is not taken for it. Linux counts a process's start in
# ticks since the boot; the date that its ps makes of them may be a second off from one call to the next.
identity() {
  local started
  if [ -r "/proc/$1/stat" ]; then
    started=$(cat "/proc/$1/stat")
    started=$(printf '%s' "${started##*) }" | cut -d ' ' -f 20)
  else
    started=$(TZ=UTC LC_ALL=C ps -o lstart= -p "$1" 2>/dev/null || true)
  fi
  printf '%s %s %s' "$1" "$(uname -n)" "$started"
}

lock_owner() {
  cat "$LOCK_FOLDER/owner" 2>/dev/null || true
}

# lock_is_held: true while the process that made the lock lives. A lock without an owner is one that is being made, or
# that died in between; a moment tells which.
lock_is_held() {
  local pid tries=0
  [ -d "$LOCK_FOLDER" ] || return 1
  LOCK_OWNER=$(lock_owner)
  while [ -z "$LOCK_OWNER" ] && [ "$tries" -lt 10 ] && [ -d "$LOCK_FOLDER" ]; do
    sleep 0.1
    tries=$((tries + 1))
    LOCK_OWNER=$(lock_owner)
  done
  pid=${LOCK_OWNER%% *}
  [ -n "$pid" ] && alive "$pid" && [ "$(identity "$pid")" = "$LOCK_OWNER" ]
}

refuse_when_locked() {
  if lock_is_held; then
    die install.locked "$EXIT_LOCKED" "another install into $PREFIX is at work (process ${LOCK_OWNER%% *})" \
      "wait until it is done, then run this again"
  fi
}

# Renaming is atomic, so of two that find the same dead lock one gets it. Whoever comes late may get the new owner's lock
# instead, and gives it back.
break_dead_lock() {
  local aside="$LOCK_FOLDER.dead.$$"
  mv "$LOCK_FOLDER" "$aside" 2>/dev/null || return 0
  if [ "$(cat "$aside/owner" 2>/dev/null || true)" != "$LOCK_OWNER" ] && [ ! -e "$LOCK_FOLDER" ]; then
    mv "$aside" "$LOCK_FOLDER"
    return 0
  fi
  if [ -f "$aside/step" ]; then stop_group "$(cat "$aside/step")" "$ENVIRONMENT"; fi
  rm -rf "$aside"
}

take_lock() {
  local tries=0
  while [ "$tries" -lt 5 ]; do
    mkdir -p "$OURS" 2>/dev/null || true
    if mkdir "$LOCK_FOLDER" 2>/dev/null; then
      LOCK=$LOCK_FOLDER
      identity "$$" >"$LOCK/owner"
      return 0
    fi
    refuse_when_locked
    break_dead_lock
    tries=$((tries + 1))
  done
  die install.lock_failed "$EXIT_FAILED" "the lock $LOCK_FOLDER cannot be taken" "remove that folder when nothing uses it"
}

release_lock() {
  [ -z "$LOCK" ] || rm -rf "$LOCK"
  LOCK=""
}

# stop_group PID [WORD]: stop a process group, gently first; with WORD only when its leader's command line holds it.
stop_group() {
  local tries=0
  if [ -n "${2:-}" ]; then
    case "$(ps -ww -o args= -p "$1" 2>/dev/null || true)" in
    *"$2"*) ;;
    *) return 0 ;;
    esac
  fi
  kill -TERM -- "-$1" 2>/dev/null || return 0
  while kill -0 -- "-$1" 2>/dev/null && [ "$tries" -lt "$((STOP_GRACE_SECONDS * 10))" ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -KILL -- "-$1" 2>/dev/null || true
}

# --- the steps --------------------------------------------------------------------------------------------------------

apply() {
  note_made_folder
  if ! mkdir -p "$OURS" 2>/dev/null; then
    die prefix.unwritable "$EXIT_REFUSED" "$PREFIX cannot be made" "choose another folder: --prefix DIR"
  fi
  take_lock
  look_again
  case $ACTION in
  install | finish)
    UNDO=yes
    mark unfinished
    ;;
  *) agree_to_rebuild ;;
  esac
  open_log
  link_prefix
  choose_temporary_folder
  ensure_environment
  build_wheel
  install_wheel
  check_answer
  rm -rf "$STAGE"
  hand_over
  mv "$LOG" "$OURS/install.log"
  LOG=""
  UNDO=no
  release_lock
  print_times
}

# What stood there may have changed while the lock was somebody else's.
look_again() {
  PREFIX_STATE=$(state_of "$ENVIRONMENT")
  [ "$PREFIX_STATE" != foreign ] ||
    problem prefix.foreign "$ENVIRONMENT holds files that this script did not put there" "choose another folder: --prefix DIR"
  make_plan
  [ ${#PROBLEM_IDS[@]} -eq 0 ] || refuse
}

# Makes the prefix name the environment of a conda that was there before; what an unfinished install left gives way.
link_prefix() {
  local part
  [ "$ENVIRONMENT" != "$PREFIX" ] || return 0
  if [ "$PREFIX" -ef "$ENVIRONMENT" ]; then return 0; fi
  if is_left_over "$PREFIX"; then
    rm -f "$PREFIX"
  elif [ -d "$PREFIX" ] && [ ! -L "$PREFIX" ]; then
    if [ -f "$PREFIX/.imjoy/incomplete" ]; then
      for part in $CONDA_PARTS; do rm -rf "${PREFIX:?}/$part"; done
    fi
    rm -rf "$PREFIX/.imjoy"
    rmdir "$PREFIX" 2>/dev/null || true
  fi
  { [ ! -e "$PREFIX" ] && mkdir -p "$(dirname "$PREFIX")" && ln -s "$ENVIRONMENT" "$PREFIX"; } ||
    die prefix.foreign "$EXIT_REFUSED" "$PREFIX cannot become a link to $ENVIRONMENT" "choose another folder: --prefix DIR"
}

# The topmost folder that this run makes, or the one before that was killed made, so that a first install that fails leaves
# nothing behind.
note_made_folder() {
  local folder=$PREFIX
  MADE_FOLDER=$(sed -n -e 2p "$OURS/incomplete" 2>/dev/null || true)
  while [ ! -e "$folder" ]; do
    MADE_FOLDER=$folder
    folder=${folder%/*}
    folder=${folder:-/}
  done
}

# mark STATE: what the next run finds when this one is killed; see look_at_prefix. The second line is MADE_FOLDER.
mark() {
  printf '%s\n%s\n' "$1" "$MADE_FOLDER" >"$OURS/incomplete"
}

open_log() {
  LOG="$OURS/install.log.new"
  {
    echo "imjoy $VERSION, $ACTION, $(date)"
    uname -a
    echo "prefix $PREFIX; $DISTRIBUTION $URL $CONDA $PYTHON_VERSION $PYTHON; source $SOURCE_PLACE $SOURCE_ID"
  } >"$LOG"
}

# Building runs programs from the temporary folder, which some machines forbid in /tmp.
choose_temporary_folder() {
  local trial=""
  STAGE="$OURS/stage"
  rm -rf "$STAGE"
  mkdir "$STAGE"
  if trial=$(mktemp "${TMPDIR:-/tmp}/imjoy-trial.XXXXXX" 2>/dev/null) &&
    printf '#!/bin/sh\n' >"$trial" && chmod +x "$trial" && "$trial" 2>/dev/null; then
    rm -f "$trial"
  else
    [ -z "$trial" ] || rm -f "$trial"
    mkdir "$STAGE/tmp"
    export TMPDIR="$STAGE/tmp"
  fi
}

# A Python that does not run is replaced, and what people added to it cannot be carried over.
agree_to_rebuild() {
  environment_works && return 0
  confirm "The Python in $PREFIX is broken and has to be made anew; packages that you added to it go. Do it?" ||
    die prefix.broken "$EXIT_REFUSED" "the Python in $PREFIX is broken and was left as it is" \
      "bash install.sh --yes makes it anew; packages that you added to it go"
  mark interrupted
}

ensure_environment() {
  if [ "$UNDO" = no ] && environment_works; then return 0; fi
  remove_environment
  case $DISTRIBUTION in
  venv)
    run "making the environment" "$PYTHON" -m venv --prompt imjoy "$PREFIX" ||
      fail_step environment.failed "Python $PYTHON_VERSION could not make an environment in $PREFIX"
    ;;
  existing)
    run "having conda make the environment" "$CONDA" create --yes --quiet --prefix "$ENVIRONMENT" --no-default-packages \
      --override-channels --channel conda-forge ${OFFLINE:+--offline} "python=$CONDA_PYTHON" pip ||
      fail_step environment.failed "$CONDA could not make the environment $ENVIRONMENT"
    link_conda
    ;;
  *) run_installer ;;
  esac
}

# A script, not a link: conda finds its own root from where it lies.
link_conda() {
  [ ! -e "$ENVIRONMENT/bin/conda" ] || return 0
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$CONDA" >"$ENVIRONMENT/bin/conda"
  chmod +x "$ENVIRONMENT/bin/conda"
}

run_installer() {
  local file=$INSTALLER temporary=${TMPDIR:-}
  if [ -z "$file" ] && [ -n "$OFFLINE" ]; then file="$OFFLINE/$INSTALLER_FILE"; fi
  if [ -z "$file" ]; then
    file="$STAGE/$INSTALLER_FILE"
    DOWNLOADING=$file
    run "downloading $INSTALLER_TITLE" fetch "$URL" "$file" ||
      die download.failed "$EXIT_NETWORK" "$URL could not be downloaded, and nothing was left behind" \
        "look at the network and HTTPS_PROXY, or use --mirror URL or --offline DIR"
    DOWNLOADING=""
    check_size "$file"
  fi
  check_hash "$file"
  # It unpacks programs there, which some machines forbid in /tmp.
  mkdir -p "$STAGE/tmp"
  export TMPDIR="$STAGE/tmp"
  # -f, because our own folder is in the prefix already.
  run "installing $INSTALLER_TITLE" bash "$file" -b -f -p "$PREFIX" ||
    fail_step installer.failed "the installer of $INSTALLER_TITLE failed"
  if [ -n "$temporary" ]; then export TMPDIR="$temporary"; else unset TMPDIR; fi
  environment_works || fail_step installer.failed "the Python that $INSTALLER_TITLE put into $PREFIX does not run"
}

# check_size FILE: what came is as long as the server said before.
check_size() {
  local size
  size=$(wc -c <"$1")
  if [ "$REMOTE_BYTES" -gt 0 ] && [ "$((size))" -ne "$REMOTE_BYTES" ]; then
    die download.checksum "$EXIT_CHECKSUM" "$1 is not what it should be; nothing of it was used" \
      "it has $((size)) bytes, and the server spoke of $REMOTE_BYTES; try again, or another --mirror"
  fi
}

check_hash() {
  local found
  found=$(sha256 <"$1")
  [ "$found" = "$(printf '%s' "$INSTALLER_SHA256" | tr '[:upper:]' '[:lower:]')" ] ||
    die download.checksum "$EXIT_CHECKSUM" "$1 is not what it should be; nothing of it was used" \
      "its SHA-256 is $found and has to be $INSTALLER_SHA256; try again, or another --mirror"
}

# fetch URL FILE: download, tried again and gone on with where it broke; a server that stalls has failed.
fetch() {
  local attempt=1 status protocols="=https"
  case $1 in http://*) protocols="=http,https" ;; esac
  while :; do
    status=0
    if command -v curl >/dev/null 2>&1; then
      curl --fail --location --silent --show-error --proto "$protocols" --proto-redir "$protocols" --tlsv1.2 \
        --max-redirs 10 --connect-timeout "$CONNECT_SECONDS" --speed-limit 1024 --speed-time "$STALL_SECONDS" \
        --continue-at - --output "$2" "$1" || status=$?
      # 33: the server cannot go on; 36: it has another file by now.
      case $status in 33 | 36) rm -f "$2" ;; esac
    else
      wget --no-verbose --continue --tries=1 --max-redirect=10 --timeout="$STALL_SECONDS" --output-document="$2" "$1" ||
        status=$?
    fi
    [ "$status" -ne 0 ] || return 0
    [ "$attempt" -lt "$DOWNLOAD_ATTEMPTS" ] || return "$status"
    # 47: redirected in a circle, which another try does not mend.
    [ "$status" -ne 47 ] || return "$status"
    sleep "$attempt"
    attempt=$((attempt + 1))
  done
}

remove_environment() {
  local part
  for part in $(parts_of "$DISTRIBUTION"); do rm -rf "${ENVIRONMENT:?}/$part"; done
}

parts_of() {
  if [ "$1" = venv ]; then echo "$VENV_PARTS"; else echo "$CONDA_PARTS"; fi
}

# The wheel is built before anything that works is touched, and from a copy, as building writes beside the sources.
build_wheel() {
  local place=$SOURCE_PLACE
  case $SOURCE_KIND in
  wheel)
    WHEEL=$SOURCE_PLACE
    return 0
    ;;
  checkout)
    place="$STAGE/source"
    mkdir "$place"
    (cd "$SOURCE_PLACE" && tar -cf - --exclude __pycache__ --exclude '*.egg-info' setup.py pyproject.toml MANIFEST.in \
      README.md LICENSE bootstrap engine) 2>>"$LOG" | tar -xf - -C "$place" 2>>"$LOG" ||
      fail_step source.build_failed "$SOURCE_PLACE cannot be read whole"
    ;;
  git) place="$SOURCE_PLACE@${SOURCE_ID#commit:}" ;;
  esac
  run "building imjoy" "$ENVIRONMENT/bin/python" -m pip wheel --no-deps \
    ${OFFLINE:+--no-index --find-links "$OFFLINE"} --wheel-dir "$STAGE/wheels" "$place" ||
    fail_step source.build_failed "imjoy could not be built from $SOURCE_PLACE"
  WHEEL=$(ls "$STAGE"/wheels/imjoy-*.whl 2>/dev/null) ||
    fail_step source.not_imjoy "$SOURCE_PLACE is not imjoy"
}

install_wheel() {
  local again=""
  if [ "$UNDO" = no ]; then
    again=--again
    mark interrupted
  fi
  run "installing imjoy and what it needs" "$ENVIRONMENT/bin/python" -I -c "$INSTALL_PACKAGES" "$WHEEL" \
    ${OFFLINE:+--offline "$OFFLINE"} ${again:+"$again"} ||
    fail_step install.failed "imjoy could not be installed into $PREFIX"
}

check_answer() {
  { run "checking that it answers" "$ENVIRONMENT/bin/imjoy" --version && works; } ||
    fail_step install.silent "imjoy is installed in $PREFIX, but does not answer"
}

# fail_step ID WHAT: tell a network that is not there from everything else, and say what state the prefix is in.
fail_step() {
  local fix="run this again to finish it"
  [ "$UNDO" = no ] || fix="nothing was left behind; mend what the log names and run this again"
  printf '\n' >&2
  tail -n 8 "$LOG" | sed 's/^/  | /' >&2
  if disk_is_full; then
    die host.disk "$EXIT_FAILED" "$2: the disk of $PREFIX is full" "make room; $fix"
  fi
  if network_is_to_blame; then
    die network.index "$EXIT_NETWORK" "$2: the network did not answer" "$fix"
  fi
  die "$1" "$EXIT_FAILED" "$2" "$fix"
}

# The log may lie on that disk too, so it is not the only one that is asked.
disk_is_full() {
  local free
  read -r _ _ _ free _ < <(df -Pk "$OURS" 2>/dev/null | tail -n 1) || true
  [ "${free:-$LEAST_FREE_KIB}" -lt "$LEAST_FREE_KIB" ] ||
    tail -n 60 "$LOG" 2>/dev/null | grep -Eq 'No space left on device|os error 28|Errno 28|Disk quota exceeded'
}

network_is_to_blame() {
  tail -n 60 "$LOG" | grep -Eq 'NewConnectionError|NameResolutionError|Temporary failure in name resolution|ConnectTimeout|ReadTimeout|ProxyError|Could not resolve host|Network is unreachable|Connection refused|SSLError'
}

# The second half is imjoy's own: the engine's first start, the receipt, PATH, what to do next.
hand_over() {
  local status=0 handed started
  handed=$(printf '{"action": %s, "distribution": %s, "python": %s, "source": %s, "source_id": %s, ' \
    "$(json_string "$ACTION")" "$(json_string "$DISTRIBUTION")" "$(json_string "$PYTHON")" \
    "$(json_string "$SOURCE_PLACE${SOURCE_REF:+@$SOURCE_REF}")" "$(json_string "$SOURCE_ID")")
  handed="$handed$(printf '"made_folder": %s, "conda": %s, "notices": %s}' \
    "$(json_string "${MADE_FOLDER:-$(receipt_value made_folder)}")" \
    "$(json_string "${CONDA:-$(receipt_value conda)}")" "$(json_notices)")"
  set -- --finish "$handed" --prefix "$PREFIX" --shell "$(current_shell)"
  [ "$JSON" = no ] || set -- "$@" --json
  [ "$QUIET" = no ] || set -- "$@" --quiet
  [ "$MODIFY_PATH" = no ] || set -- "$@" --modify-path
  [ "$START" = no ] || set -- "$@" --start
  started=$(now)
  set -m
  "$ENVIRONMENT/bin/python" -I -m imjoy install "$@" </dev/null &
  CHILD=$!
  set +m
  # Whoever takes over after a kill ends it too.
  [ -z "$LOCK" ] || printf '%s\n' "$CHILD" >"$LOCK/step"
  wait "$CHILD" || status=$?
  CHILD=""
  note_time "starting the engine once" "$(($(now) - started))"
  [ "$status" -ne 0 ] || return 0
  TOLD=yes
  # What failed after the receipt was written is no reason to take the install back.
  if [ ! -e "$OURS/incomplete" ]; then UNDO=no; fi
  exit "$status"
}

# --- the end ----------------------------------------------------------------------------------------------------------

# Runs at every exit. A first install that did not finish is taken back whole; a change of a finished one stays marked.
on_exit() {
  local status=$? kept="" full=no
  trap - EXIT
  # A second Ctrl-C is not to break off the cleaning.
  trap '' INT TERM HUP
  set +e
  if [ "$status" -ne 0 ] && [ "$TOLD" = no ] && [ -n "$LOCK" ] && disk_is_full; then full=yes; fi
  [ -z "$CHILD" ] || stop_group "$CHILD"
  [ -z "$LOG" ] || keep_log
  if [ "$status" -ne 0 ] && [ -n "$LOCK" ]; then rm -rf "$OURS/stage"; fi
  if [ "$status" -ne 0 ] && [ "$UNDO" = yes ]; then
    remove_environment
    rm -rf "$OURS/incomplete" "$OURS"/receipt.json* "$OURS"/check-*
    release_lock
    remove_made_folders
  fi
  release_lock
  if [ "$status" -eq "$EXIT_INTERRUPTED" ]; then
    [ "$STEP_OPEN" = no ] || printf '\n' >&2
    if [ "$REMOVING" = yes ]; then
      warn "interrupted; run this again with --uninstall to remove the rest of $PREFIX"
    elif [ "$UNINSTALL" = yes ]; then
      warn "interrupted; nothing was removed"
    elif [ "$UNDO" = no ] && [ -f "${OURS:-}/incomplete" ]; then
      warn "interrupted; run this again to finish $PREFIX"
    else
      warn "interrupted; nothing was left behind"
    fi
    exit "$status"
  fi
  if [ "$full" = yes ]; then
    printf 'error: the disk of %s is full\n  make room, and run this again\n' "$PREFIX" >&2
    status=$EXIT_FAILED
  elif [ "$status" -ne 0 ] && [ "$TOLD" = no ]; then
    status=$EXIT_OUR_BUG
    printf 'error: install.sh ended where it should not; that is a bug of ours\n  report it: %s/issues\n' "$PROJECT_URL" >&2
  fi
  if [ -n "$kept" ]; then
    printf 'log: %s\n' "$kept" >&2
  fi
  exit "$status"
}

# keep_log: sets `kept`. Credentials in urls have no place in a file that people paste into a report.
keep_log() {
  if [ "$status" -eq "$EXIT_INTERRUPTED" ]; then
    rm -f "$LOG"
    return 0
  fi
  kept="$OURS/failed.log"
  if [ "$UNDO" = yes ]; then kept=$(mktemp "$LOG_FOLDER/imjoy-install.XXXXXX") || kept="$PREFIX.log"; fi
  sed -e 's#://[^/@ ]*@#://***@#g' "$LOG" >"$kept"
  rm -f "$LOG"
}

# Removes the empty prefix, or the link and the empty environment that it names, and empty folders up to MADE_FOLDER.
remove_made_folders() {
  local folder=$PREFIX
  rmdir "$OURS" 2>/dev/null || true
  if [ "$ENVIRONMENT" != "$PREFIX" ]; then
    if rmdir "$ENVIRONMENT" 2>/dev/null; then forget_environment; fi
    [ ! -L "$PREFIX" ] || rm -f "$PREFIX"
    [ "$PREFIX" != "$MADE_FOLDER" ] || return 0
    folder=${folder%/*}
  fi
  [ -n "$MADE_FOLDER" ] || return 0
  while rmdir "$folder" 2>/dev/null && [ "$folder" != "$MADE_FOLDER" ]; do folder=${folder%/*}; done
  [ ! -d "$PREFIX" ] || warn "$PREFIX holds files that this script did not make and was left"
}

# Takes the environment out of conda's list of all environments, as `conda env remove` does.
forget_environment() {
  local registry="${HOME:-}/.conda/environments.txt" kept
  grep -qxF "$ENVIRONMENT" "$registry" 2>/dev/null || return 0
  kept=$(grep -vxF "$ENVIRONMENT" "$registry" || true)
  printf '%s' "${kept:+$kept
}" >"$registry"
}

# The shell that the line was typed in, by the process that started us, else by SHELL.
current_shell() {
  local name
  name=$(ps -o comm= -p "$PPID" 2>/dev/null || true)
  name=${name##*/}
  name=${name#-}
  case $name in
  bash | zsh | fish | tcsh | csh | nu | pwsh) ;;
  *) name=${SHELL:-bash} ;;
  esac
  name=${name##*/}
  case $name in
  zsh | fish | tcsh) printf '%s' "$name" ;;
  csh) printf 'tcsh' ;;
  nu) printf 'nushell' ;;
  pwsh) printf 'powershell' ;;
  *) printf 'bash' ;;
  esac
}

# The engine wants the terminal for Ctrl-C and questions; stdin may still be the pipe that this script came through.
start_engine() {
  say ""
  trap - EXIT INT TERM HUP
  if [ ! -t 0 ] && { : </dev/tty; } 2>/dev/null; then
    exec </dev/tty
  fi
  exec "$PREFIX/bin/imjoy" start --serve --open ${START_ARGUMENTS[@]+"${START_ARGUMENTS[@]}"}
}

# --- uninstalling: in this script too, for a prefix whose Python is broken ---------------------------------------------

uninstall() {
  local parts part file left made
  look_at_prefix
  if is_left_over "$PREFIX" && [ "$DRY_RUN" = no ]; then rm -f "$PREFIX"; fi
  if [ "$PREFIX_STATE" = new ]; then
    say "There is nothing to remove: no imjoy in $PREFIX."
    return 0
  fi
  [ ${#PROBLEM_IDS[@]} -eq 0 ] || refuse
  parts=$(receipt_parts)
  parts=${parts:-$CONDA_PARTS}
  parts=${parts//$'\n'/ }
  left=$(left_over "$parts")
  if [ "$DRY_RUN" = yes ] || [ "$YES" = no ]; then
    say "To be removed from $(short "$PREFIX"): $(there "$parts" | tr '\n' ' ')"
    [ ! -f "$OURS/path-edits" ] || say "The block of imjoy in: $(tr '\n' ' ' <"$OURS/path-edits")"
    [ -z "$left" ] || say "Stays there: $(printf '%s' "$left" | tr '\n' ' ')"
  fi
  [ "$DRY_RUN" = no ] || return 0
  confirm "Remove all of it?" ||
    die uninstall.unconfirmed "$EXIT_USAGE" "nothing was removed, because nobody said yes" "bash install.sh --uninstall --yes"
  made=$(receipt_value made_folder)
  take_lock
  REMOVING=yes
  if [ -x "$PREFIX/bin/imjoy" ]; then "$PREFIX/bin/imjoy" stop --prefix "$PREFIX" >/dev/null 2>&1 </dev/null || true; fi
  if [ -f "$OURS/path-edits" ]; then
    while IFS= read -r file; do remove_block "$file"; done <"$OURS/path-edits"
  fi
  for part in $parts; do
    case $part in .imjoy | */* | . | ..) ;; *) rm -rf "${PREFIX:?}/$part" ;; esac
  done
  LOCK=""
  rm -rf "$OURS"
  MADE_FOLDER=${made:-$PREFIX}
  forget_environment
  remove_made_folders
  say "imjoy is gone from $(short "$PREFIX"). Your workspace stays."
}

receipt_parts() {
  sed -n -e 's/^  "parts": \[\(.*\)\],\{0,1\}$/\1/p' "$OURS/receipt.json" 2>/dev/null | tr -d '",'
}

# there PARTS: prints those that are in the prefix.
there() {
  local part
  for part in $1; do if [ -e "$PREFIX/$part" ]; then echo "$part"; fi; done
}

left_over() {
  local name
  while IFS= read -r name; do
    case " $1 .imjoy " in *" $name "*) ;; *) printf '%s\n' "$name" ;; esac
  done < <(ls -A "$PREFIX")
}

# remove_block FILE: take the block of imjoy out, as `imjoy path --remove` does, so that every other byte stays.
remove_block() {
  local begin end head before after
  [ -f "$1" ] || return 0
  head=$(grep -a -m 1 '^# >>> imjoy path.* >>>' "$1") || return 0
  begin=$(LC_ALL=C grep -a -b -o '^# >>> imjoy path' "$1" | head -n 1 | cut -d : -f 1)
  end=$(LC_ALL=C grep -a -b -o '^# <<< imjoy path <<<' "$1" | head -n 1 | cut -d : -f 1)
  [ -n "$begin" ] && [ -n "$end" ] && [ "$end" -gt "$begin" ] || return 0
  before="$OURS/edit.before"
  after="$OURS/edit.after"
  tail -c "+$((end + 1))" "$1" | tail -n +2 >"$after"
  case $head in
  # The end that was added is the one that the block's own lines have.
  *"no end"*$'\r') if [ ! -s "$after" ]; then begin=$((begin - 2)); fi ;;
  *"no end"*) if [ ! -s "$after" ]; then begin=$((begin - 1)); fi ;;
  esac
  head -c "$begin" "$1" >"$before"
  cat "$after" >>"$before"
  if [ ! -s "$before" ] && [ "${head#*file made, with }" != "$head" ]; then
    rm -f "$1"
    remove_folders_above "$1" "$(printf '%s' "$head" | sed 's/.*file made, with \([0-9]*\) folders.*/\1/')"
  else
    cat "$before" >"$1"
  fi
}

remove_folders_above() {
  local folder=${1%/*} count=$2
  while [ "$count" -gt 0 ] && rmdir "$folder" 2>/dev/null; do
    folder=${folder%/*}
    count=$((count - 1))
  done
}

main() {
  local started
  set_defaults
  parse_options "$@"
  isolate
  trap on_exit EXIT
  trap 'exit $EXIT_INTERRUPTED' INT TERM HUP
  if [ "$UNINSTALL" = yes ]; then
    uninstall
    exit 0
  fi
  started=$(now)
  look
  note_time "looking at the machine" "$(($(now) - started))"
  if [ "$ACTION" = refuse ]; then refuse; fi
  refuse_when_locked
  if [ "$DRY_RUN" = yes ]; then
    if [ "$JSON" = yes ]; then print_plan_json; else print_plan_text; fi
    exit 0
  fi
  if [ "$ACTION" = none ]; then
    hand_over
  else
    say "$(describe_plan)"
    say ""
    apply
  fi
  if [ "$START" = yes ]; then start_engine; fi
}

{ main "$@"; }
