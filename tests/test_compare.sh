#!/bin/sh
# `vmm compare`: one guest under several techniques, held against the bare machine.
#
#   VMM_BUILD=build tests/test_compare.sh
set -u
build=${VMM_BUILD:-build}
vmm=$build/vmm
guests=$build/guests
[ -f "$guests/kernel.elf" ] || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "$*" >&2
    failures=$((failures + 1))
}

# compare STATUS ARGUMENT...: output and errors are left in files.
compare() {
    wanted=$1
    shift
    "$vmm" compare "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "compare $*: status $status: $(cat "$work/err")"
}

# Equality on the normal kernel: hybrid and interp have it (theorem 3's construction; everything
# interpreted), trap not, as x86 is no machine of theorem 1. Bare is the first, asked for or not.
compare 0 --format csv -t hybrid,trap,interp "$guests/kernel.elf"
cut -d, -f1,2,14 "$work/out" >"$work/columns"
printf '%s\n' technique,stop,equal bare,exit,yes hybrid,exit,yes trap,divergence,no interp,exit,yes |
    diff - "$work/columns" >&2 || fail "kernel.elf: $(cat "$work/out")"
# Each instruction was executed in one of the ways; what interp does directly is nothing.
awk -F, 'NR > 1 && ($4 != $5 + $6 + $7 + $8 || ($1 == "interp" && $5) || $1 == "hybrid" && !$5) \
    { exit 1 }' "$work/out" || fail "parts: $(cat "$work/out")"

# A guest that never ends does at the limit, and is the same there.
compare 0 --format json -t trap --max-instructions 100000 "$guests/spin.elf"
[ "$(grep -o '"equal":true' "$work/out" | wc -l)" = 2 ] || fail "spin.elf: $(cat "$work/out")"
grep -q '"guest_instructions":100000,' "$work/out" || fail "limit: $(cat "$work/out")"

# The table says why a run ended otherwise. All techniques without -t.
compare 0 "$guests/redpill.elf"
for technique in bare trap patch hybrid interp; do
    grep -q "^$technique " "$work/out" || fail "no $technique: $(cat "$work/out")"
done
grep -q '^hybrid: sgdt at .* in ring 3 does not trap' "$work/out" ||
    fail "redpill.elf: $(cat "$work/out")"

# usage SENTENCE ARGUMENT...: status 2, one sentence, nothing on standard output.
usage() {
    sentence=$1
    shift
    compare 2 "$@"
    grep -q "^vmm compare: .*$sentence" "$work/err" || fail "compare $*: $(cat "$work/err")"
    [ "$(wc -l <"$work/err")" = 1 ] && [ ! -s "$work/out" ] || fail "compare $*: too much said"
}
usage "no technique 'magic'" -t bare,magic "$guests/hello.elf"
usage 'names no technique' -t '' "$guests/hello.elf"
usage 'no image'
usage 'more than one image' "$guests/hello.elf" "$guests/spin.elf"
usage "no format 'xml'" --format xml "$guests/hello.elf"
usage 'leave it away' --vm "$guests/spin.elf" "$guests/hello.elf"
usage 'leave it away' --clock host "$guests/hello.elf"
usage "'--magic' is no option" --magic "$guests/hello.elf"
compare 1 "$work/nothing.elf"
compare 0 --help
grep -q '^Usage: vmm compare' "$work/out" || fail 'no help'

[ "$failures" -eq 0 ]
