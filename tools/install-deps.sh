#!/usr/bin/env bash
# The one list of packages: what building, testing and the demo need on Debian 12. Installs what is missing, as root or
# through sudo, without prompts; does nothing when all is there.
#   tools/install-deps.sh          # all but the slow tests
#   tools/install-deps.sh --slow   # those, too: a compiler and an emulator for 64-bit Arm, Slurm, a Debian to unpack packages in
#   tools/install-deps.sh --fuzz   # and Clang with libFuzzer, for tests/fuzz
set -euo pipefail

packages=(
  build-essential cmake ninja-build ccache pkg-config git      # build
  libeigen3-dev libcli11-dev libspdlog-dev libfmt-dev          # libraries
  nlohmann-json3-dev libtomlplusplus-dev libssl-dev libdnnl-dev
  libjpeg62-turbo-dev libpng-dev zlib1g-dev
  libgtest-dev libgmock-dev libbenchmark-dev                   # tests and benchmarks
  libonnx-dev libprotobuf-dev protobuf-compiler libonnx-testdata
  clang-format python3                                         # checks
  dataset-fashion-mnist                                        # the demo's pictures
)
[ "${1:-}" != --slow ] || packages+=(g++-aarch64-linux-gnu qemu-user-static googletest slurm-wlm debootstrap python3-yaml)
[ "${1:-}" != --fuzz ] || packages+=(clang-16 libclang-rt-16-dev llvm-16)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "install-deps: need root or sudo to install: ${missing[*]}" >&2; exit 5; }
  sudo=(sudo)
fi
echo "installing ${#missing[@]} packages: ${missing[*]}" >&2
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
