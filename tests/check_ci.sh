#!/usr/bin/env bash
# Runs the shell script of docs/ci.md on the demo's model, twice (the second time there is an accepted report), and once
# more with a budget that breaks; parses its YAML. Skips (77), and says why, without the demo's data or a YAML parser.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release}
[ -d /usr/share/datasets/fashion-mnist ] || { echo "skipped: no demo data (package dataset-fashion-mnist)" >&2; exit 77; }
python3 -c 'import yaml' 2>/dev/null || { echo "skipped: no YAML parser (package python3-yaml)" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH="$build:$PATH"
awk '/^```sh$/ {on = 1; next} /^```/ {on = 0} on' "$root/docs/ci.md" >"$work/ci.sh"
cp "$root"/models/fashion-mnist/fashion-cnn.onnx "$work"
sed 's/^limit = 512/limit = 64/' "$root/models/fashion-mnist/int8.toml" >"$work/int8.toml"
cd "$work"
sh ci.sh >first.log 2>&1 || { cat first.log >&2; echo "docs/ci.md: the script failed" >&2; exit 1; }
[ -f accepted/report.json ] && [ ! -f diff.xml ]
sh ci.sh >second.log 2>&1 || { cat second.log >&2; echo "docs/ci.md: the script failed the second time" >&2; exit 1; }
[ -f diff.xml ]
sed -i 's/^max_drop = 0.5/max_drop = 0.5\nmax_bytes = 1/' int8.toml
status=0
sh ci.sh >third.log 2>&1 || status=$?
[ "$status" -eq 1 ] || { cat third.log >&2; echo "docs/ci.md: a broken budget ended with $status" >&2; exit 1; }
awk '/^```yaml$/ {on = 1; n++; next} /^```/ {on = 0} on {print > ("yaml-" n ".yml")}' "$root/docs/ci.md"
for file in yaml-*.yml; do
  python3 -c 'import sys, yaml; d = yaml.safe_load(open(sys.argv[1])); assert isinstance(d, dict) and d, d' "$file"
done
echo "docs/ci.md: the script runs, $(ls yaml-*.yml | wc -l) YAML files parse"
