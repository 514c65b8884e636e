#!/usr/bin/env bash
# The C decoder must stay under 4 KB of x86-64 code, and need nothing from outside.
set -euo pipefail
compiler=$1
cd "$(dirname "$0")/../.."
if [ "$(uname -m)" != x86_64 ] || ! "$compiler" --version | grep -qiE 'gcc|free software'; then
  echo "SKIPPED: the size is promised for GCC on x86-64"
  exit 77
fi
object=$(mktemp)
trap 'rm -f "$object"' EXIT
"$compiler" -std=c99 -pedantic -Wall -Wextra -Werror -Os -fno-asynchronous-unwind-tables -c src/pack/c/esm_weights.c -o "$object"
code=$(size -A "$object" | awk '$1 ~ /^\.text/ {sum += $2} END {print sum}')
needs=$(nm -u "$object" | grep -vE 'mem(cpy|set)' || true)
echo "$code bytes of code"
[ "$code" -lt 4096 ] || { echo "the C decoder has $code bytes of code, 4095 are allowed" >&2; exit 1; }
[ -z "$needs" ] || { echo "the C decoder needs: $needs" >&2; exit 1; }
