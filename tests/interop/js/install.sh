#!/usr/bin/env bash
# Install the JavaScript peers of the tests, at the versions that their package.json files pin. Needs node and npm.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
for package in "$here"/*/package.json; do
    npm install --prefix "$(dirname "$package")" --no-audit --no-fund --no-package-lock --loglevel=error
done
