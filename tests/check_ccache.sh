#!/bin/sh
# tools/ccache.sh makes a precompiled header from the headers as they are, also when an older state of it is in place and
# ccache has seen another successor of that state (as after switching branches), and when only a comment has changed.
set -eu
launcher=$(cd "$(dirname "$0")/.." && pwd)/tools/ccache.sh
command -v ccache > /dev/null || { echo "skipped: no ccache here"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export CCACHE_DIR="$folder/cache"
echo '#include "header.h"' > pch.hxx
: > pch.cxx

compile_header() {
  "$launcher" c++ -fpch-preprocess -x c++-header -include "$folder/pch.hxx" -MD -MF pch.d -MT pch.hxx.gch -o pch.hxx.gch -c pch.cxx
}
precompile() {
  echo "struct Probe { int member_$1; };" > header.h
  compile_header
  grep -q "member_$1" pch.hxx.gch || { echo "the precompiled header knows nothing of member_$1" >&2; exit 1; }
}
precompile one
cp pch.hxx.gch first
precompile two
cp first pch.hxx.gch
precompile three

# A source that includes the header, too, sees it once.
for comment in old new; do
  printf '#pragma once\n// %s\nstruct Probe {};\n' $comment > header.h
  printf '#include "header.h"\nint %s_;\n' $comment > use.cxx
  compile_header
  "$launcher" c++ -fpch-preprocess -include "$folder/pch.hxx" -o use.o -c use.cxx
done
echo "ccache: precompiled headers follow their sources"
