#!/usr/bin/env bash
# Build the Java peers, for Dubbo 3.3 and for 2.7, and run the tests that talk to them: bash tests/interop/jvm/dubbo/run.sh
# Needs a JDK (11 or later) and Maven. `run.sh --build` builds and does not test.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

for version in 3.3.6 2.7.23; do
    target="$here/target/$version"
    goals=(compile)
    if [ ! -f "$target/classpath" ] || [ "$here/pom.xml" -nt "$target/classpath" ]; then
        goals+=(dependency:build-classpath "-Dmdep.outputFile=$target/classpath")
    fi
    mvn -q -B -f "$here/pom.xml" "-Ddubbo.version=$version" "${goals[@]}"
done
[ "${1:-}" = --build ] && exit 0
cd "$here/../../../.."
exec "${PYTHON:-python}" -m pytest -m jvm tests/interop "$@"
