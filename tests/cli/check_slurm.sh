#!/usr/bin/env bash
# A zoo of eight small models on a real Slurm of one node: the script that `zoo plan` wrote runs as a job array, one task
# is killed, `zoo collect` says which, and submitting the script again does that one alone. Slow: it starts the daemons.
#   tests/cli/check_slurm.sh [BUILD]
# Exit code 77 where Slurm is missing or cannot be started (a container without root, for example).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
build=${1:-$root/build/release}
edgesmith=$build/edgesmith
skip() {
  echo "slurm: skipped: $1" >&2
  exit 77
}
for tool in slurmctld slurmd sinfo sbatch squeue scancel; do
  command -v "$tool" >/dev/null || skip "no $tool (tools/install-deps.sh --slow installs slurm-wlm)"
done
[ "$(id -u)" -eq 0 ] || skip "the daemons of this test run as root"
pictures=/usr/share/datasets/fashion-mnist
[ -d "$pictures" ] || skip "no $pictures"

work=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
fail() {
  echo "slurm: $1" >&2
  tail -n 30 "$work"/*.log "$work"/slurm-*.out >&2 2>/dev/null || true
  exit 1
}

# One node, with nothing but what this needs: no munge, no cgroups, no accounting. Ports of our own.
port=$((20000 + $$ % 20000))
host=$(hostname -s)
mkdir -p "$work/state" "$work/spool"
cat >"$work/slurm.conf" <<CONF
ClusterName=edgesmith
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=root
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
ReturnToService=2
KillWait=2
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
export SLURM_CONF=$work/slurm.conf
slurmctld -D -f "$SLURM_CONF" >"$work/slurmctld.out" 2>&1 &
pids+=($!)
slurmd -D -f "$SLURM_CONF" -N "$host" >"$work/slurmd.out" 2>&1 &
pids+=($!)
up=no
for _ in $(seq 60); do
  if [ "$(sinfo -h -o %t 2>/dev/null)" = idle ]; then up=yes && break; fi
  for pid in "${pids[@]}"; do
    kill -0 "$pid" 2>/dev/null || skip "the daemons end at once: $(tail -n 1 "$work"/slurmctld.log "$work"/slurmd.log 2>/dev/null | tr '\n' ' ')"
  done
  sleep 1
done
[ $up = yes ] || skip "the node does not come up: $(tail -n 1 "$work"/slurmd.log 2>/dev/null)"

# Eight models, of which the last trains until it is killed.
cd "$work"
cp "$root"/models/fashion-mnist/fashion-cnn.onnx model.onnx
for i in 1 2 3 4 5 6 7 8; do cp model.onnx "model-$i.onnx"; done
cat >simplify.toml <<'TOML'
[[step]]
pass = "simplify"
TOML
cat >train.toml <<'TOML'
[[step]]
pass = "prune"
sparsity = 0.5
repair = "none"
[[step]]
pass = "distill"
epochs = 1000
TOML
cat >zoo.toml <<TOML
recipe = "simplify.toml"
eval = { path = "$pictures/t10k-images-idx3-ubyte.gz", limit = 64, preprocess = { scale = "1/255" } }
[[model]]
glob = "model-*.onnx"
except = "model-8.onnx"
[[model]]
path = "model-8.onnx"
recipe = "train.toml"
train = { path = "$pictures/train-images-idx3-ubyte.gz", limit = 2000, preprocess = { scale = "1/255" } }
TOML
"$edgesmith" zoo plan zoo.toml -o results --format slurm --threads 1 >array.sh
submit() { sbatch --parsable array.sh; }
waiting() { squeue -h -r -o '%i %T' "$@"; }

job=$(submit)
for _ in $(seq 300); do
  [ "$(waiting | wc -l)" -le 1 ] && [ -d results/.model-8.part ] && [ -f results/.model-8.part/recipe.toml ] && break
  sleep 1
done
[ -d results/.model-8.part ] || fail "task 7 does not run"
scancel "${job}_7"
for _ in $(seq 60); do
  [ -z "$(waiting)" ] && break
  sleep 1
done
[ -z "$(waiting)" ] || fail "tasks are left after scancel"
for _ in $(seq 20); do  # the task is gone, and what it had started has to be, too
  pgrep -f "$work/results" >/dev/null || break
  sleep 0.5
done

status=0
"$edgesmith" zoo collect results --json >collected.json || status=$?
[ $status -eq 5 ] || fail "collect ended with exit code $status, expected 5"
python3 - <<'PY' || fail "the collected results are wrong: $(cat collected.json)"
import json
summary = json.load(open("collected.json"))
assert summary["counts"]["done"] == 7 and summary["counts"]["missing"] == 1, summary["counts"]
assert summary["failed"] == ["model-8"], summary["failed"]
PY

# The same script again, with less to do for the one that is left.
before=$(stat -c %y results/model-1/job.json)
sed -i 's/epochs = 1000/epochs = 1/' train.toml
submit >/dev/null
for _ in $(seq 300); do
  [ -z "$(waiting)" ] && break
  sleep 1
done
"$edgesmith" zoo collect results || fail "not all models are done after the second submission"
[ "$(stat -c %y results/model-1/job.json)" = "$before" ] || fail "model-1 was done twice"
echo "slurm: ok"
