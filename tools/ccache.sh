#!/bin/sh
# Compiles through ccache: CMake puts this in front of every compiler call.
# A precompiled header that is there already would be read while ccache looks for its successor, and the answer could be
# one that was made from other headers: it goes first. Nor may it be an older one of headers with other comments, which
# ccache finds by their text without comments unless it is told to look at whole files alone (depend mode): the compiler
# knows a header of a precompiled one by its bytes, and would read a changed one again. The sloppiness is what ccache's
# manual asks for with GCC's precompiled headers.
previous=
for word in "$@"; do
  [ "$previous" = -o ] && case $word in *.gch) rm -f "$word" && export CCACHE_DEPEND=1 ;; esac
  previous=$word
done
CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_SLOPPINESS
exec ccache "$@"
