#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build into a folder, setting it up first, or again when files have come or gone (meson.build lists files by folder).
#
# usage: build.sh DIR [meson option...]
# Honours CC and JOBS.
set -eu
cd "$(dirname "$0")/.."
dir=$1
shift
mkdir -p "$dir"
files=$(find src tests/unit fuzz bench model man packaging -name '*.[ch]' -o -name '*.json' -o -name '*.[1-8]' 2>/dev/null | LC_ALL=C sort)
if [ ! -f "$dir/build.ninja" ]; then
	meson setup "$dir" "$@" >"$dir/setup.log" 2>&1 || { cat "$dir/setup.log" >&2; exit 1; }
elif [ "$files" != "$(cat "$dir/files.list" 2>/dev/null)" ]; then
	meson setup --reconfigure "$dir" "$@" >"$dir/setup.log" 2>&1 || { cat "$dir/setup.log" >&2; exit 1; }
fi
printf '%s\n' "$files" >"$dir/files.list"
exec ninja -C "$dir" ${JOBS:+-j "$JOBS"} --quiet
