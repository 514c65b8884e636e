#!/usr/bin/env bash
# Installs what is missing, builds, and turns a trained Fashion-MNIST model into a verified int8 model, judged on all
# 10 000 test pictures. Writes to build/demo.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/install-deps.sh
cmake --preset release -DEDGESMITH_TESTS=OFF
cmake --build --preset release
exec build/release/edgesmith run models/fashion-mnist/int8.toml -o build/demo --report build/demo --force
