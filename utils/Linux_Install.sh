#!/usr/bin/env bash
#
# The address that the ImJoy manual gives for a remote Linux machine; runs the install.sh of today, with the same options:
#
#   wget https://raw.githubusercontent.com/oeway/ImJoy-Engine/master/utils/Linux_Install.sh -O - | bash
set -euo pipefail

URL=${IMJOY_INSTALL_URL:-https://github.com/oeway/ImJoy-Engine/raw/HEAD/install.sh}

fetch() {
  if command -v curl >/dev/null; then
    curl -fsSL --proto '=https,http' --retry 3 "$URL" -o "$1"
  elif command -v wget >/dev/null; then
    wget -q -O "$1" "$URL"
  else
    echo "curl and wget are both missing: install one of them" >&2
    return 1
  fi
}

main() {
  local script
  script=$(mktemp)
  # shellcheck disable=SC2064 # the name of now
  trap "rm -f '$script'" EXIT
  if ! fetch "$script"; then
    echo "error: install.sh could not be fetched from $URL" >&2
    echo "  -> look at the network, then run this again" >&2
    return 4
  fi
  bash "$script" "$@"
}

# Nothing is done before the whole of it has arrived.
{ main "$@"; }
