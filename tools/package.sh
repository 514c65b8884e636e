#!/usr/bin/env bash
# Builds the packages into build/package:
#   tools/package.sh           # edgesmith-VERSION-linux-x86_64.tar.gz, which runs where it is unpacked, and
#                              # edgesmith_VERSION_amd64.deb, which needs libc6 alone
#   tools/package.sh aarch64   # edgesmith-VERSION-linux-aarch64.tar.gz, cross-compiled; needs root and the network once,
#                              # for the Debian that it is compiled against (tools/package/sysroot.sh)
# Libraries that Debian has as archives are in the program; the others lie in lib/edgesmith beside it, where no other
# program looks.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${1:-x86_64}
out=build/package
case $arch in
  x86_64)
    tools/install-deps.sh
    build=build/release strip=strip sysroot=
    # Found again, since an older configuration may have found the shared ones.
    cmake --preset release -U 'JPEG_LIBRARY*' -U 'PNG_LIBRARY*' -U 'PNG_PNG*' -U 'ZLIB_LIBRARY*' -U 'OPENSSL_CRYPTO_LIBRARY' >/dev/null
    cmake --build --preset release --target edgesmith
    ;;
  aarch64)
    tools/install-deps.sh --slow
    build=build/aarch64-package strip=aarch64-linux-gnu-strip sysroot=build/sysroot-aarch64
    tools/package/sysroot.sh arm64 "$sysroot"
    cmake -G Ninja -S . -B "$build" -DCMAKE_TOOLCHAIN_FILE="$PWD/tools/package/aarch64.cmake" -DCMAKE_BUILD_TYPE=Release \
      -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" -DEDGESMITH_TESTS=OFF >/dev/null
    cmake --build "$build" --target edgesmith
    ;;
  *) echo "package: no packages for '$arch', but for x86_64 and aarch64" >&2; exit 2 ;;
esac

stage=$out/stage
rm -rf "$stage" "$out"/edgesmith[-_]*"$arch"* "$out"/_CPack_Packages
[ "$arch" != x86_64 ] || rm -f "$out"/edgesmith_*_amd64.deb
mkdir -p "$stage/lib/edgesmith" "$stage/share/doc/edgesmith/licenses" "$stage/share/edgesmith/models"
cmake --install "$build" --prefix "$stage" --component tool >/dev/null
"$strip" "$stage/bin/edgesmith"

# What belongs to the C library is on every Linux of its age, and must be the system's.
is_system() { case $1 in libc.so*|libm.so*|libdl.so*|libpthread.so*|librt.so*|ld-linux*) true ;; *) false ;; esac; }
license() {  # of the Debian package $1
  cp "$sysroot/usr/share/doc/$1/copyright" "$stage/share/doc/edgesmith/licenses/$1"
}
package_of() {  # the Debian package that the library $1 is from; by name: it may say /lib where the system now says /usr/lib
  local name
  name=$(basename "$(readlink -f "$1")")
  if [ -z "$sysroot" ]; then
    dpkg -S "*/x86_64-linux-gnu/$name" | sed -n '1s/:.*//p'
  else
    basename "$(grep -l "/$arch-linux-gnu/$name\$" "$sysroot"/packages/*.list | head -n 1)" .list
  fi
}
bring() {  # a program or library: what it needs comes along
  local name path
  for name in $(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    ! is_system "$name" && [ ! -e "$stage/lib/edgesmith/$name" ] || continue
    bring_library "$name"
  done
}
bring_library() {  # by its name
  local path
  for path in "$sysroot/usr/lib/$arch-linux-gnu/$1" "$sysroot/lib/$arch-linux-gnu/$1"; do
    [ -e "$path" ] || continue
    install -m 644 "$path" "$stage/lib/edgesmith/$1"
    license "$(package_of "$path")"
    bring "$path"
    return
  done
  echo "package: no $1 here" >&2
  exit 5
}
bring "$build/edgesmith"
if [ "$arch" = x86_64 ]; then  # oneDNN is loaded when a kernel first asks for it
  bring_library libdnnl.so.2
fi
"$strip" --strip-unneeded "$stage"/lib/edgesmith/*
for linked in libssl3 libjpeg62-turbo libpng16-16 zlib1g; do license "$linked"; done  # in the program itself
cp LICENSE README.md "$stage/share/doc/edgesmith/"
cp -r docs "$stage/share/doc/edgesmith/docs"
cp -r models/fashion-mnist "$stage/share/edgesmith/models/fashion-mnist"

version=$(sed -n 's/^project(edgesmith VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
generators=(TGZ)
[ "$arch" != x86_64 ] || generators+=(DEB)
for generator in "${generators[@]}"; do
  EDGESMITH_GENERATOR=$generator EDGESMITH_VERSION=$version EDGESMITH_STAGE=$PWD/$stage EDGESMITH_ARCH=$arch \
    cpack --config tools/package/cpack.cmake -B "$PWD/$out" >/dev/null
done
rm -rf "$out/_CPack_Packages" "$stage"
ls -l "$out"
