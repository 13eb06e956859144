#!/usr/bin/env bash
# Install the programs that the tests talk to, those that are missing: redis-server, haproxy, tshark, openssl, jq, node
# and npm; and with npm, what they bring at pinned versions.
set -euo pipefail

packages=()
command -v redis-server >/dev/null || packages+=(redis-server)
command -v haproxy >/dev/null || packages+=(haproxy)
command -v tshark >/dev/null || packages+=(tshark)
command -v openssl >/dev/null || packages+=(openssl)
command -v jq >/dev/null || packages+=(jq)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
javascript() { bash "$(dirname "$0")/../tests/interop/js/install.sh"; }
if [ ${#packages[@]} -eq 0 ]; then
    echo "redis-server, haproxy, tshark, openssl, jq, node and npm are there"
    javascript
    exit 0
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: ${packages[*]}; install them, or run this as root where there is apt-get" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}"
javascript
