#!/usr/bin/env bash
# Builds the tarball for 64-bit Arm and runs the demo from it under QEMU, with nothing but Debian's C library beside it;
# the model must be the one that this machine makes. Skips (77), and says why, where that cannot be done.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "skipped: $1" >&2; exit 77; }
[ -n "${EDGESMITH_ARM_PACKAGE:-}" ] || skip "EDGESMITH_ARM_PACKAGE is not set: this compiles the whole tool once more"
[ "$(id -u)" -eq 0 ] || skip "debootstrap needs root"
for program in debootstrap aarch64-linux-gnu-g++ qemu-aarch64-static; do
  command -v "$program" >/dev/null || skip "no $program (tools/install-deps.sh --slow)"
done
data=/usr/share/datasets/fashion-mnist
[ -d "$data" ] || skip "$data is missing (package dataset-fashion-mnist)"
"$root/tools/package/sysroot.sh" arm64 "$root/build/sysroot-aarch64" || skip "no Debian for 64-bit Arm (no network?)"
"$root/tools/package.sh" aarch64
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A root with the C library alone: a library that the tarball lacks is found nowhere.
mkdir -p "$work/root/lib/aarch64-linux-gnu"
while read -r file; do
  case $file in ./lib/*.so*) cp -P "$root/build/sysroot-aarch64/$file" "$work/root/$(dirname "$file")/" ;; esac
done <"$root/build/sysroot-aarch64/packages/libc6.list"
tar xf "$root"/build/package/edgesmith-*-linux-aarch64.tar.gz -C "$work"
here=$(echo "$work"/edgesmith-*/)
export EDGESMITH_CACHE=off
recipe=$here/share/edgesmith/models/fashion-mnist/int8.toml
arm() { QEMU_LD_PREFIX=$work/root qemu-aarch64-static "$here/bin/edgesmith" "$@"; }
arm run "$recipe" -o "$work/arm" --calib-limit 32 --eval-limit 200
"$root/build/release/edgesmith" run "$recipe" -o "$work/here" --calib-limit 32 --eval-limit 200 -q
arm inspect "$work"/here/*.onnx >/dev/null
cmp "$work"/arm/*.onnx "$work"/here/*.onnx || echo "the models differ between the processors" >&2
echo "packages: the tarball for 64-bit Arm runs the demo under QEMU"
