#!/usr/bin/env bash
# Holds the generated pages against the tool's own tables. `tests/check_docs.sh --fix` writes them.
set -euo pipefail
cd "$(dirname "$0")/.."
edgesmith=build/release/edgesmith
bad=0
for table in passes ops metrics targets; do
  page=docs/$table.md
  if [ "${1:-}" = "--fix" ]; then
    "$edgesmith" "$table" --markdown > "$page"
  elif ! diff -u "$page" <("$edgesmith" "$table" --markdown) >&2; then
    echo "docs: $page is stale; run tests/check_docs.sh --fix" >&2
    bad=1
  fi
done
for kind in recipe data target report manifest; do
  page=docs/schemas/$kind.json
  if [ "${1:-}" = "--fix" ]; then
    mkdir -p docs/schemas
    "$edgesmith" schema "$kind" > "$page"
  elif ! diff -u "$page" <("$edgesmith" schema "$kind") >&2; then
    echo "docs: $page is stale; run tests/check_docs.sh --fix" >&2
    bad=1
  fi
done
if [ "${1:-}" = "--fix" ]; then
  tests/operator_families.sh > docs/operators.md
elif ! diff -u docs/operators.md <(tests/operator_families.sh) >&2; then
  echo "docs: docs/operators.md is stale; run tests/check_docs.sh --fix" >&2
  bad=1
fi
if [ "${1:-}" = "--fix" ]; then
  tools/performance_summary.py --write
elif ! diff -u docs/performance.md <(tools/performance_summary.py) >&2; then
  echo "docs: the summary of docs/performance.md is not that of its tables; run tests/check_docs.sh --fix" >&2
  bad=1
fi
# A table that an empty line cuts in two has a part without a heading, which no reader of Markdown shows as a table.
if ! awk 'FNR == 1 {code = rows = 0}
          /^```/ {code = !code}
          {in_table = !code && /^\|/}
          in_table {++rows}
          (in_table && rows == 2 && !/^[|: -]+$/) || (!in_table && rows == 1) {print FILENAME ":" FNR - 1 ": a table without a heading"; bad = 1}
          !in_table {rows = 0}
          END {exit bad}' README.md CONTRIBUTING.md docs/*.md models/*/*.md tests/*/README.md >&2; then
  bad=1
fi
[ "$bad" -eq 0 ] && echo "docs: ok"
exit "$bad"
