#!/bin/bash
#
# For a Mac, to be double-clicked: installs imjoy as its one line does, and opens the app. In a checkout it takes the
# install.sh of that. The syntax is that of bash 3.2, which macOS still has.
set -uo pipefail

# Nothing vouches for what comes but the server's certificate: https is never left.
URL=${IMJOY_INSTALL_URL:-https://raw.githubusercontent.com/oeway/ImJoy-Engine/HEAD/install.sh}

install() {
  local beside script
  beside=$(dirname -- "$0")/../install.sh
  if [ -f "$beside" ]; then
    /bin/bash "$beside" --start "$@"
  elif script=$(/usr/bin/curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --tlsv1.2 "$URL"); then
    # Kept in memory: one that broke off is not run.
    /bin/bash -c "$script" install.sh --start "$@"
  else
    echo "error: install.sh could not be fetched from $URL" >&2
    echo "  -> look at the network, then double-click this again" >&2
    return 4
  fi
}

main() {
  local code=0
  install "$@" || code=$?
  # Terminal closes the window of what has ended, where it is set to, and with it what was said.
  if [ "$code" != 0 ] && [ -t 0 ]; then read -r -p "Press Return to end this. " || true; fi
  return "$code"
}

# Nothing is done before the whole of it has been read.
{
  main "$@"
  exit
}
