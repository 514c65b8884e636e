#!/bin/sh
# Compiles through ccache: CMake puts this in front of every compiler call.
# A precompiled header that is there already would be read while ccache looks for its successor, and the answer could be
# one that was made from other headers: it goes first. The sloppiness is what ccache's manual asks for with GCC's
# precompiled headers.
previous=
for word in "$@"; do
  [ "$previous" = -o ] && case $word in *.gch) rm -f "$word" ;; esac
  previous=$word
done
CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_SLOPPINESS
exec ccache "$@"
