#!/usr/bin/env bash
# Fails when a source is not formatted as .clang-format says. `tests/check_format.sh --fix` formats.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files '*.cc' '*.h')
if [ "${1:-}" = "--fix" ]; then exec clang-format -i "${files[@]}"; fi
clang-format --dry-run --Werror "${files[@]}"
echo "format: ${#files[@]} files ok"
