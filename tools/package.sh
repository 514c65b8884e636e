#!/usr/bin/env bash
# Builds the packages: build/package/edgesmith-VERSION-linux-x86_64.tar.gz, which runs where it is unpacked, and
# build/package/edgesmith_VERSION_amd64.deb, which needs libc6 alone. Libraries that Debian has as archives are in the
# program; the others lie in lib/edgesmith beside it, where no other program looks.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/install-deps.sh
build=build/release
out=build/package
# Found again, since an older configuration may have found the shared ones.
cmake --preset release -U 'JPEG_LIBRARY*' -U 'PNG_LIBRARY*' -U 'PNG_PNG*' -U 'ZLIB_LIBRARY*' -U 'OPENSSL_CRYPTO_LIBRARY' >/dev/null
cmake --build --preset release --target edgesmith

rm -rf "$out"
stage=$out/stage
mkdir -p "$stage/lib/edgesmith" "$stage/share/doc/edgesmith/licenses" "$stage/share/edgesmith/models"
cmake --install "$build" --prefix "$stage" --component tool >/dev/null
strip "$stage/bin/edgesmith"

# What belongs to the C library is on every Linux of its age, and must be the system's.
is_system() { case $1 in linux-vdso*|libc.so*|libm.so*|libdl.so*|libpthread.so*|librt.so*|*/ld-linux*|ld-linux*) true ;; *) false ;; esac; }
bring() {  # a program or library: what it needs comes along
  local name path
  while read -r name path; do
    is_system "$name" && continue
    [ -e "$stage/lib/edgesmith/$name" ] && continue
    install -m 644 "$path" "$stage/lib/edgesmith/$name"
    license "$path"
  done < <(ldd "$1" | awk '$2 == "=>" && $3 ~ /^\// {print $1, $3}')
}
license() {  # the copyright file of the Debian package that a library is from
  local package
  # By name: a package may say /lib where the system now says /usr/lib.
  package=$(dpkg -S "*/x86_64-linux-gnu/$(basename "$(readlink -f "$1")")" | sed -n '1s/:.*//p')
  cp "/usr/share/doc/$package/copyright" "$stage/share/doc/edgesmith/licenses/$package"
}
bring "$build/edgesmith"
# oneDNN is loaded when a kernel first asks for it.
dnnl=$(ldconfig -p | awk '$1 == "libdnnl.so.2" && !seen++ {print $NF}')
install -m 644 "$dnnl" "$stage/lib/edgesmith/libdnnl.so.2"
license "$dnnl"
bring "$dnnl"
strip --strip-unneeded "$stage"/lib/edgesmith/*
for linked in libssl3 libjpeg62-turbo libpng16-16 zlib1g; do  # in the program itself
  cp "/usr/share/doc/$linked/copyright" "$stage/share/doc/edgesmith/licenses/$linked"
done
cp LICENSE README.md "$stage/share/doc/edgesmith/"
cp -r docs "$stage/share/doc/edgesmith/docs"
cp -r models/fashion-mnist "$stage/share/edgesmith/models/fashion-mnist"

version=$(sed -n 's/^project(edgesmith VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
for generator in TGZ DEB; do
  EDGESMITH_GENERATOR=$generator EDGESMITH_VERSION=$version EDGESMITH_STAGE=$PWD/$stage \
    cpack --config tools/package/cpack.cmake -B "$PWD/$out" >/dev/null
done
rm -rf "$out/_CPack_Packages" "$stage"
ls -l "$out"
