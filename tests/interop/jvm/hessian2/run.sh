#!/usr/bin/env bash
# Build the Java peer and run the tests that talk to it: bash tests/interop/jvm/hessian2/run.sh
# Needs a JDK (11 or later) and Maven. `run.sh --build` builds and does not test.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

goals=(compile)
if [ ! -f "$here/target/classpath" ] || [ "$here/pom.xml" -nt "$here/target/classpath" ]; then
    goals+=(dependency:build-classpath "-Dmdep.outputFile=$here/target/classpath")
fi
mvn -q -B -f "$here/pom.xml" "${goals[@]}"
[ "${1:-}" = --build ] && exit 0
cd "$here/../../../.."
exec "${PYTHON:-python}" -m pytest -m jvm tests/interop/test_hessian2_java.py "$@"
