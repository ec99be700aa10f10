#!/bin/sh
# `vmm bench`: one event again and again under each technique; what is counted is exact, and the same
# in every run.
#
#   VMM_BUILD=build tests/test_bench.sh
set -u
build=${VMM_BUILD:-build}
vmm=$build/vmm
[ -f "$build/guests/nano.elf" ] || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "$*" >&2
    failures=$((failures + 1))
}

# bench STATUS ARGUMENT...: output and errors are left in files.
bench() {
    wanted=$1
    shift
    "$vmm" bench "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "bench $*: status $status: $(cat "$work/err")"
}

# value OPERATION TECHNIQUE COLUMN of the CSV
value() {
    awk -F, -v o="$1" -v t="$2" -v c="$3" '$1 == o && $2 == t { print $c }' "$work/csv"
}

# is WANTED OPERATION TECHNIQUE COLUMN
is() {
    [ "$(value "$2" "$3" "$4")" = "$1" ] || fail "$2 under $3, column $4: $(value "$2" "$3" "$4"), not $1"
}

bench 0 --no-time --format csv
cp "$work/out" "$work/csv"
# Another run has the same results, to the last digit.
bench 0 --no-time --format csv -t trap
awk -F, 'NR == 1 || $2 == "bare" || $2 == "trap"' "$work/csv" | diff - "$work/out" >&2 || fail 'two runs differ'
operations='syscall in crwrite callret pgfault divzero ptemod ptebatch ctxswitch tick hypercall flags fork'
for operation in $operations; do
    is 0.000 "$operation" bare 9
    awk -F, -v o="$operation" '$1 == o && ($4 == "" && $2 != "para" || $4 != "" && ($4 <= 0 || $12 <= 0)) { bad = 1 } $1 == o { n++ }
        END { exit bad || n < 4 }' "$work/csv" || fail "$operation: $(grep "^$operation," "$work/csv")"
done

# The loops, counted by hand: INT, the handler's INCL and IRET, DECL, JNZ; CALL, RET, DECL, JNZ.
is 5.000 syscall bare 4
is 4.000 callret bare 4
# Trap-and-emulate (docs/trap.md): INT n and IRET exit, so do IN, MOV to CR0 and a write to a traced
# page table; CALL and RET are none of the VMM's business.
is 2.000 syscall trap 9
is 1.000 in trap 9
is 1.000 crwrite trap 9
is 1.000 ptemod trap 9
is 0.000 callret trap 9
# A paravirtual kernel (docs/paravirtual.md): IRET is a hypercall, the interrupt flag is none, 64
# updates are one; it has no ports and no control registers.
is 2.000 syscall para 9
is 1.000 hypercall para 9
is 0.000 flags para 9
is 1.000 ptemod para 9
is 1.000 ptebatch para 9
is '' in para 9
is '' crwrite para 9
[ "$(value fork para 9 | cut -d. -f1)" -lt "$(value fork trap 9 | cut -d. -f1)" ] ||
    fail "fork: $(value fork para 9) exits under para, $(value fork trap 9) under trap"
# A VMM keeps the number of instructions; `flags` is another program in the virtualizable build.
for technique in $(awk -F, 'NR > 1 && $3 == "nano" || $3 == "nano-virt" { print $2 }' "$work/csv" | sort -u); do
    for operation in $operations; do
        [ "$operation" = flags ] || is "$(value "$operation" bare 4)" "$operation" "$technique" 4
    done
done
# Each instruction was executed in one of the ways.
awk -F, 'NR > 1 && $4 != "" && ($4 - $5 - $6 - $7 - $8) ^ 2 > 1e-4 { exit 1 }' "$work/csv" ||
    fail "parts: $(cat "$work/csv")"

# The native column is what the model is calibrated on.
awk -F, 'NR > 1 && $2 == "bare" && $13 > 100 && ($12 / $13 - 1) ^ 2 > 0.01 { exit 1 }' "$work/csv" ||
    fail "calibration: $(grep ,bare, "$work/csv")"

bench 0 --no-time --format json -t bare
grep -q '^{"operations":\[{"name":"syscall",.*"technique":"bare".*"orderings":\[.*"primitives":\[.*\]}$' \
    "$work/out" || fail "json: $(cat "$work/out")"
bench 0 --no-time -t bare
grep -q '^in: software VMM < native  *\(not decided\|holds\|does not hold\)' "$work/out" || fail "table: $(cat "$work/out")"

# Whole jobs, without Linux: a factor of the bare machine each, and what the paper has for it.
bench 0 --only forkwait,disk --no-time --format csv
cp "$work/out" "$work/csv"
awk -F, 'NR > 1 && $2 == "bare" && ($4 <= 0 || $14 != "1.000") { exit 1 }' "$work/csv" || fail "macro: $(cat "$work/csv")"
[ "$(value forkwait bt 16)" = 6.150 ] && [ "$(value forkwait hw-shadow 16)" = 17.733 ] || fail "the paper's forkwait"
for technique in bt patch hw hw-shadow hybrid interp; do
    for job in forkwait disk; do
        is "$(value $job bare 4)" $job $technique 4
    done
done
# A sector is 512 accesses by one REP INSB, and a line nine bytes behind nine questions; the sector is
# chosen and its state asked for: all of them exit where ports do.
is 532.000 disk trap 9
is 532.000 disk hw 9
is '' disk para 4
[ -n "$(value forkwait para 4)" ] || fail 'forkwait under para'
# Nested page tables need no exit for a page table that is written, shadow ones do.
awk -v n="$(value forkwait hw 9)" -v s="$(value forkwait hw-shadow 9)" 'BEGIN { exit !(n * 4 < s) }' ||
    fail "forkwait: $(value forkwait hw 9) exits nested, $(value forkwait hw-shadow 9) shadow"
bench 0 --only disk --no-time --scale 2 --format json -t hw
grep -q '"name":"disk".*"technique":"hw".*"over_bare":1\.[0-9]*' "$work/out" || fail "json: $(cat "$work/out")"
# Linux, where it is not: one sentence that says how to get it, and the other jobs run.
if [ ! -e "$build/real/vmlinuz" ] && [ ! -e "$build/../real/vmlinuz" ]; then
    bench 0 --only compile,disk --no-time -t hw
    grep -q "^compile, bare, hw, hw-shadow: Linux is not there; 'make guests-real' fetches it\.$" "$work/out" ||
        fail "no Linux: $(cat "$work/out")"
    grep -q '^disk  *bare  *1044 ' "$work/out" || fail "disk: $(cat "$work/out")"
fi

if command -v gnuplot >/dev/null; then
    bench 0 --no-time -t bare --chart "$work/chart.svg"
    grep -q '<svg' "$work/chart.svg" || fail "no chart"
    bench 1 --no-time -t bare --chart "$work/none/chart.svg"
else
    bench 1 --no-time -t bare --chart "$work/chart.svg"
    grep -q '^vmm bench: .*no gnuplot' "$work/err" || fail "chart: $(cat "$work/err")"
fi

# usage SENTENCE ARGUMENT...: status 2, one sentence, nothing on standard output.
usage() {
    sentence=$1
    shift
    bench 2 "$@"
    grep -q "^vmm bench: .*$sentence" "$work/err" || fail "bench $*: $(cat "$work/err")"
    [ "$(wc -l <"$work/err")" = 1 ] && [ ! -s "$work/out" ] || fail "bench $*: too much said"
}
usage "no technique 'magic'" -t magic
usage "nothing to do with 'kernel.elf'" kernel.elf
usage "no format 'xml'" --format xml
usage "no operation 'compute'" --only disk,compute
usage 'not a number from 1 to' --macro --scale 0
usage 'not a number from 1 to' --macro --scale 2x
usage 'needs a value' --chart
usage 'is no option' --fast

[ $failures = 0 ]
