#!/usr/bin/env bash
# Builds the runtime and its tests for 64-bit Arm and runs them under QEMU: on a CPU that has everything, and the runtime's
# once more on a Cortex-A53, which has NEON without dot products. Exits with 77 where the cross compiler or QEMU is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
for program in aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$program" >/dev/null && continue
  echo "aarch64: SKIPPED, nothing was built or tested: no $program here; tools/install-deps.sh --slow installs it" >&2
  exit 77
done
cmake --preset aarch64 >/dev/null
cmake --build --preset aarch64

run() { QEMU_CPU=$1 qemu-aarch64-static "build/aarch64/tests/$2/$2_test" --gtest_brief=1; }
run cortex-a53 runtime &
old=$!
for module in base ir ops runtime; do run max "$module"; done
wait "$old"
echo "aarch64: ok"
