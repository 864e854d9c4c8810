# What every test of install.sh gets: a home of its own and an environment in which nothing of this machine's shows.

bats_require_minimum_version 1.5.0

REPOSITORY="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
export INSTALL="$REPOSITORY/install.sh"
# Outlives the temporary homes, so that each real install need not download again.
export PIP_CACHE_DIR="${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pip}"
export UV_CACHE_DIR="${UV_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/uv}"
# What pip compiles is seldom imported twice. A falsy value it is that says no.
export PIP_NO_COMPILE=0
export PYENV_ROOT="${PYENV_ROOT:-$HOME/.pyenv}"

# use_home FOLDER: make it and take it for the home.
use_home() {
  mkdir -p "$1"
  export HOME="$1"
  unset COLUMNS LINES IMJOY_PREFIX IMJOY_WORKSPACE IMJOY_DISTRIBUTION CONDA_EXE GITHUB_PATH ZDOTDIR PYTHONPATH XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
  # Nobody listens there, so that no test asks the real servers for an installer.
  export IMJOY_MIRROR=http://127.0.0.1:9
  export SHELL=/bin/bash TMPDIR="${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}"
}

# copy_checkout FOLDER: what a clone holds, without its history, so that a test may change it.
copy_checkout() {
  mkdir -p "$1"
  (cd "$REPOSITORY" && tar -cf - --exclude __pycache__ --exclude '*.egg-info' install.sh setup.py pyproject.toml \
    MANIFEST.in README.md LICENSE bootstrap engine) | tar -xf - -C "$1"
}

# copy_as_repository FOLDER: the same as a git repository with one commit.
copy_as_repository() {
  copy_checkout "$1"
  git -C "$1" init --quiet
  commit_all "$1"
}

commit_all() {
  git -C "$1" add --all
  git -C "$1" -c user.name=test -c user.email=test@localhost commit --quiet --message "A change"
}

# commands_without NAME...: prints a folder with links to the commands that install.sh needs, but no Python, and not these.
commands_without() {
  local folder="$BATS_TEST_TMPDIR/commands" name
  mkdir -p "$folder"
  for name in bash chmod env getconf gzip mkdir mktemp ps rm sh sleep tar uname wc curl git sha256sum; do
    case " $* " in
    *" $name "*) ;;
    *) ln -sf "$(command -v "$name")" "$folder/$name" ;;
    esac
  done
  printf '%s' "$folder"
}

# log_of TEXT: the log that a failure names last.
log_of() {
  printf '%s\n' "$1" | sed -n -e 's/^.*the log is \(.*\)$/\1/p' | tail -n 1
}

# listing FOLDER: every file in it with size and time of change, to see whether anything happened there.
listing() {
  (cd "$1" && find . -path ./.cache -prune -o -printf '%p %s %T@ %l\n') | LC_ALL=C sort
}

# eventually COMMAND...: wait, at most a minute, until it succeeds.
eventually() {
  local tries=0
  until "$@" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || return 1
    sleep 0.05
  done
}

# json EXPRESSION TEXT: what a Python expression says of the document `d`.
json() {
  python3 -c 'import json, sys; d = json.loads(sys.argv[2]); print(eval(sys.argv[1]))' "$1" "$2"
}
