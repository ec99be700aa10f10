#!/bin/sh
# docs/atlas.md is what the program finds: made again, it is the same.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/vmm" classify --all --format markdown >"$work/atlas.md" || exit 1
diff -u docs/atlas.md "$work/atlas.md" >"$work/diff" && exit 0
head -n 40 "$work/diff"
echo 'docs/atlas.md is not what was found; make it again: build/vmm classify --all --format markdown >docs/atlas.md'
exit 1
