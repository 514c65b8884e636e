#!/usr/bin/env bash
# Installs what is missing, builds the release preset and runs the tests. Arguments go to ctest:
#   tools/test.sh                # the default tests
#   tools/test.sh -R golden      # some of them
set -euo pipefail
cd "$(dirname "$0")/.."
tools/install-deps.sh
cmake --preset release -DEDGESMITH_TESTS=ON
cmake --build --preset release
exec ctest --preset release -j "$(nproc)" "$@"
