#!/usr/bin/env bash
#
# The address that the ImJoy manual gives for a remote Linux machine; runs the install.sh of today, with the same options:
#
#   wget https://raw.githubusercontent.com/oeway/ImJoy-Engine/master/utils/Linux_Install.sh -O - | bash
set -euo pipefail

# Nothing vouches for what comes but the server's certificate: https is never left, and wget follows to no other address.
URL=${IMJOY_INSTALL_URL:-https://raw.githubusercontent.com/oeway/ImJoy-Engine/HEAD/install.sh}

fetch() {
  local protocols="=https"
  case $URL in http://*) protocols="=http,https" ;; esac
  if command -v curl >/dev/null; then
    curl --fail --silent --show-error --location --proto "$protocols" --proto-redir "=https" --tlsv1.2 "$URL"
  elif command -v wget >/dev/null; then
    wget -q --max-redirect=0 -O - "$URL"
  else
    echo "curl and wget are both missing: install one of them" >&2
    return 1
  fi
}

main() {
  local script attempt
  for attempt in 1 2 3; do
    # Kept in memory: the curl of snap may write to no temporary folder, and a script that broke off is not run.
    if script=$(fetch); then exec bash -c "$script" install.sh "$@"; fi
    [ "$attempt" = 3 ] || sleep "$attempt"
  done
  echo "error: install.sh could not be fetched from $URL" >&2
  echo "  -> look at the network, then run this again" >&2
  return 4
}

# Nothing is done before the whole of it has arrived.
{ main "$@"; }
