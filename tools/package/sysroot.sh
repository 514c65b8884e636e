#!/usr/bin/env bash
# Unpacks what a program for another processor is compiled against into DIR: Debian 12's C library, our libraries and
# their headers, none of it installed here.
#   sysroot.sh arm64 DIR
# DIR/packages/NAME.list then names the files of each package. Needs root (debootstrap does) and the network.
set -euo pipefail
arch=$1 dir=$2
[ ! -e "$dir/packages/libc6.list" ] || exit 0
libraries=libeigen3-dev,libcli11-dev,libspdlog-dev,libfmt-dev,nlohmann-json3-dev,libtomlplusplus-dev,libssl-dev,libjpeg62-turbo-dev,libpng-dev,zlib1g-dev
rm -rf "$dir" "$dir.debian"
mkdir -p "$(dirname "$dir")"
# The first stage fetches everything and runs nothing of the other processor's.
debootstrap --arch="$arch" --foreign --variant=minbase --include="$libraries,libc6-dev" bookworm "$dir.debian" http://deb.debian.org/debian >"$dir.log" 2>&1 ||
  { echo "sysroot: debootstrap failed: $(tail -n 1 "$dir.log")" >&2; exit 5; }
mkdir -p "$dir.part/packages"
for package in "$dir.debian"/var/cache/apt/archives/*.deb; do
  dpkg-deb -x "$package" "$dir.part"
  name=$(basename "$package"); name=${name%%_*}
  dpkg-deb -c "$package" | awk '{print $6}' >"$dir.part/packages/$name.list"
done
rm -rf "$dir.debian" "$dir.log"
mv "$dir.part" "$dir"
