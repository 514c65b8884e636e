#!/usr/bin/env bash
# Fuzzes one border that foreign bytes cross: run.sh TARGET [SECONDS] [SEED_FILE ...]. TARGET is one of
#   onnx     the importer, and what it takes through the exporter and in again
#   ir       the text form of graphs
#   recipe   recipes (TOML)
#   arrays   .npy, .npz (zip, deflate), IDX
#   picture  JPEG and PNG
#   text     names of models on terminals and in HTML
#   esm      both decoders of packed models (seed files: models packed by `edgesmith pack`)
# Needs Clang 16 or newer with libFuzzer (tools/install-deps.sh --fuzz): Clang 14 refuses lambdas that capture structured
# bindings, which are C++20. Its corpus grows in build/fuzz/corpus/TARGET
# from run to run; what it finds is left in build/fuzz/found; run build/fuzz/tests/fuzz/TARGET_fuzzer on such a file to see
# it again. Exit code 0: nothing was found.
set -euo pipefail
target=$1
seconds=${2:-300}
seed_files=()
for file in "${@:3}"; do seed_files+=("$(realpath "$file")"); done
cd "$(dirname "$0")/../.."
command -v clang++-16 >/dev/null || { echo "run.sh: no clang++-16: run tools/install-deps.sh --fuzz" >&2; exit 5; }
cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++-16 -DCMAKE_C_COMPILER=clang-16 -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" -DCMAKE_C_FLAGS_RELEASE="-O1 -DNDEBUG" \
  -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DEDGESMITH_FUZZ=ON >/dev/null
cmake --build build/fuzz --target "${target}_fuzzer" -j "${FUZZ_JOBS:-2}"
corpus=build/fuzz/corpus/$target
mkdir -p "$corpus" build/fuzz/found
[ "$target" = esm ] || python3 tests/fuzz/seeds.py "$target" "$corpus"
[ ${#seed_files[@]} -eq 0 ] || cp "${seed_files[@]}" "$corpus"
options=(-artifact_prefix="build/fuzz/found/$target-" -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=2048)
[ ! -f "tests/fuzz/$target.dict" ] || options+=(-dict="tests/fuzz/$target.dict")
exec "build/fuzz/tests/fuzz/${target}_fuzzer" "$corpus" "${options[@]}" -print_final_stats=1
