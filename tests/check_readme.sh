#!/usr/bin/env bash
# Runs every command of the ```console blocks of the README and the pages below (lines that begin with `$ `) in a clean
# folder, with the built edgesmith on the PATH and the demo's model and data beside it. A command must end as the page
# says: exit code 0, or the code in a trailing comment `# exit 2`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PATH="$root/build/release:$PATH"
export EDGESMITH_CACHE=$work/cache
count=0
for page in README.md docs/cli.md docs/simplify.md docs/bench.md docs/select.md docs/prune.md docs/share.md docs/quantize.md docs/pack.md docs/distill.md docs/reduce.md docs/report.md docs/diagnose.md docs/convert.md docs/zoo.md docs/recipes.md docs/cache.md docs/schema.md docs/preprocess.md docs/troubleshooting.md; do
  folder=$work/$(basename "$page" .md)
  mkdir -p "$folder"
  cp "$root"/models/fashion-mnist/*.onnx "$root"/models/fashion-mnist/*.toml "$root"/models/fashion-mnist/*.txt "$folder"
  cd "$folder"
  while IFS= read -r line; do
    command=${line#\$ }
    case $command in tools/*) continue ;; esac  # the two set-up commands are what CI itself runs
    expected=0
    [[ $command =~ \#\ exit\ ([0-9]+) ]] && expected=${BASH_REMATCH[1]}
    status=0
    bash -c "$command" >"$work/out" 2>&1 </dev/null || status=$?
    if [ "$status" -ne "$expected" ]; then
      echo "readme: $page: '$command' ended with exit code $status, expected $expected:" >&2
      cat "$work/out" >&2
      exit 1
    fi
    count=$((count + 1))
  done < <(awk '/^```console/ {on = 1; next} /^```/ {on = 0} on && /^\$ /' "$root/$page")
done
echo "readme: $count commands ok"
