#!/usr/bin/env bash
# Holds every #include against the direction of modules (docs/architecture.md) and keeps third-party headers in their place.
set -euo pipefail
cd "$(dirname "$0")/.."

# module: the modules it may include, itself included.
declare -A may=(
  [base]="base"
  [ir]="base ir"
  [targets]="base ir targets"
  [ops]="base ir ops"
  [onnx]="base ir ops onnx"
  [pack]="base ir ops onnx pack"
  [runtime]="base ir ops runtime"
  [data]="base ir ops onnx runtime data"
  [train]="base ir ops runtime data train"
  [passes]="base ir ops onnx runtime data train targets passes"
  [refine]="base ir ops onnx pack runtime data train targets passes refine"
  [report]="base ir ops onnx pack runtime data train targets passes refine report"
  [zoo]="base ir ops onnx pack runtime data train targets passes refine report zoo"
)
bad=0
for module in "${!may[@]}"; do
  while IFS= read -r line; do
    file=${line%%:*}
    used=$(sed -E 's/.*#include "(edgesmith\/)?([a-z]+)\/.*/\2/' <<<"$line")
    [[ " ${may[$module]} " == *" $used "* ]] && continue
    [[ -n "${may[$used]:-}" ]] || continue  # not a module's header
    echo "layers: $file: module '$module' must not include '$used'" >&2
    bad=1
  done < <(grep -rE '^#include "(edgesmith/)?[a-z]+/' "src/$module" "include/edgesmith/$module" 2>/dev/null || true)
done

# third-party header: where it may appear
while IFS='|' read -r pattern allowed; do
  while IFS= read -r file; do
    [[ "$file" =~ $allowed ]] && continue
    echo "layers: $file: must not include <$pattern>" >&2
    bad=1
  done < <(grep -rlE "#include <($pattern)" src include tools/edgesmith 2>/dev/null || true)
done <<'RULES'
spdlog/|^src/base/log\.cc$
CLI/|^tools/
Eigen/|^src/(ops|runtime)/
onnx/|^src/onnx/
google/protobuf|^src/onnx/
nlohmann/|^(src|tools)/.*\.cc$|^src/report/json_templates\.h$
toml\+\+|^src/.*\.cc$
RULES
[ "$bad" -eq 0 ] && echo "layers: ok"
exit "$bad"
