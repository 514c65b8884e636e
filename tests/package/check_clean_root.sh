#!/usr/bin/env bash
# Builds the packages and runs the demo from both of them in a fresh Debian 12 that has none of our libraries and tools.
# Skips (77), and says why, where such a Debian cannot be made. EDGESMITH_CLEAN_ROOT names one that is there already.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
skip() { echo "skipped: $1" >&2; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "the packages are for x86-64"
[ "$(id -u)" -eq 0 ] || skip "changing the root folder needs root"
data=/usr/share/datasets/fashion-mnist
[ -d "$data" ] || skip "$data is missing (package dataset-fashion-mnist)"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
clean=$work/root
if [ -n "${EDGESMITH_CLEAN_ROOT:-}" ]; then
  cp -a "$EDGESMITH_CLEAN_ROOT" "$clean"
else
  command -v debootstrap >/dev/null || skip "no debootstrap (tools/install-deps.sh --slow)"
  debootstrap --variant=minbase bookworm "$clean" http://deb.debian.org/debian >"$work/log" 2>&1 ||
    skip "debootstrap failed (no network?): $(tail -n 1 "$work/log")"
fi
"$root/tools/package.sh"
for package in libspdlog libfmt libdnnl libtomlplusplus libjpeg62-turbo libpng16 libonnx build-essential cmake; do
  if ls "$clean/var/lib/dpkg/info/$package"*.list >/dev/null 2>&1; then
    echo "the clean root has $package: it proves nothing" >&2
    exit 1
  fi
done
mkdir -p "$clean/demo" "$clean$data"
cp "$root"/build/package/*.tar.gz "$root"/build/package/*.deb "$clean/demo/"
cp "$data"/train-*.gz "$data"/t10k-*.gz "$clean$data/"
cat >"$clean/demo/run.sh" <<'DEMO'
set -eu
cd /demo
tar xf edgesmith-*.tar.gz
here=$(echo /demo/edgesmith-*/)
"$here/bin/edgesmith" run "$here/share/edgesmith/models/fashion-mnist/int8.toml" -o tarball
"$here/bin/edgesmith" bench tarball/*.onnx --runs 20 >/dev/null
rm -rf "$here"
dpkg -i edgesmith_*.deb
edgesmith run /usr/share/edgesmith/models/fashion-mnist/int8.toml -o deb
cmp tarball/*.onnx deb/*.onnx
DEMO
# With /proc, which a program needs to find the libraries beside it.
unshare --mount sh -c 'mount --bind /proc "$1/proc" && exec chroot "$1" /bin/sh /demo/run.sh' sh "$clean"
echo "packages: both run the demo in a clean Debian 12"
