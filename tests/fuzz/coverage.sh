#!/usr/bin/env bash
# How much of the importer the inputs of its fuzzer reach: coverage.sh [CORPUS] (default build/fuzz/corpus/onnx, which run.sh
# onnx makes). Builds the fuzzer once more in build/coverage, without sanitizers: their checks, and the ways out of them,
# would count as code that nothing reaches. Shows, for each source of src/onnx that reads models, regions, lines and branches
# (edges of the control flow as the source has them) that were reached, and those that only write models below.
#   coverage.sh CORPUS lines FILE ...   shows these sources line by line instead
set -euo pipefail
cd "$(dirname "$0")/../.."
corpus=${1:-build/fuzz/corpus/onnx}
command -v clang++-16 >/dev/null || { echo "coverage.sh: no clang++-16: run tools/install-deps.sh --fuzz" >&2; exit 5; }
cmake -S . -B build/coverage -G Ninja -DCMAKE_CXX_COMPILER=clang++-16 -DCMAKE_C_COMPILER=clang-16 -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_FLAGS_RELEASE="-O0 -DNDEBUG" -DCMAKE_C_FLAGS_RELEASE="-O0 -DNDEBUG" \
  -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DEDGESMITH_FUZZ=ON -DEDGESMITH_COVERAGE=ON >/dev/null
cmake --build build/coverage --target onnx_fuzzer -j "${FUZZ_JOBS:-2}" >/dev/null
fuzzer=build/coverage/tests/fuzz/onnx_fuzzer
LLVM_PROFILE_FILE=build/coverage/onnx.profraw "$fuzzer" -runs=0 "$corpus" 2>/dev/null
llvm-profdata-16 merge -sparse build/coverage/onnx.profraw -o build/coverage/onnx.profdata
if [ "${2:-}" = lines ]; then
  exec llvm-cov-16 show "$fuzzer" -instr-profile=build/coverage/onnx.profdata "${@:3}"
fi
readers=() writers=()
for file in $(find "$PWD/src/onnx" -name '*.cc' | sort); do
  case $(basename "$file") in
    encode* | export*) writers+=("$file") ;;
    *) readers+=("$file") ;;
  esac
done
report() { llvm-cov-16 report "$fuzzer" -instr-profile=build/coverage/onnx.profdata "$@" | sed "s|$PWD/||"; }
echo "sources that read models:"
report "${readers[@]}"
echo "sources that only write them:"
report "${writers[@]}" | tail -1
