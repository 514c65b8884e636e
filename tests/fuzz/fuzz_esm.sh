#!/usr/bin/env bash
# Fuzzes the .esm decoders: fuzz_esm.sh EDGESMITH [SECONDS] [MODEL.onnx ...]. Needs clang with libFuzzer (Debian's
# packages clang and libclang-rt-14-dev). It begins with the models named, packed; small ones are found out most about.
# What it finds is left in build/fuzz/found; run build/fuzz/tests/fuzz/esm_fuzzer on such a file to see it again.
set -euo pipefail
edgesmith=$(realpath "$1")
seconds=${2:-300}
shift; [ $# -eq 0 ] || shift
models=()
for model in "$@"; do models+=("$(realpath "$model")"); done
cd "$(dirname "$0")/../.."
cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DEDGESMITH_FUZZ=ON >/dev/null
cmake --build build/fuzz --target esm_fuzzer
mkdir -p build/fuzz/corpus build/fuzz/found
for model in "${models[@]}"; do
  "$edgesmith" pack "$model" -o "build/fuzz/corpus/$(basename "$model").esm" --force -q
done
build/fuzz/tests/fuzz/esm_fuzzer build/fuzz/corpus -artifact_prefix=build/fuzz/found/ -max_total_time="$seconds" \
  -max_len=4096 -timeout=60 -rss_limit_mb=4096 -print_final_stats=1
