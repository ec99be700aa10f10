#!/bin/sh
# What `vmm run` writes beside the console: traces, statistics, digests, the report on a guest that
# ended as nobody wanted, and cores, which the real gdb reads. None of it changes the run, and a file
# that cannot be written costs one sentence and status 1.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
guests=$build/guests
[ -x "$vmm" ] && [ -e "$guests/kernel-virt.elf" ] || {
    echo 'skipped: the program or its guests are not built'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
    echo "$*"
    bad=1
}
run() { # OPTION...: console into out, the rest into err
    timeout 100 "$vmm" run "$@" >"$work/out" 2>"$work/err" </dev/null
}
field() { # NAME FILE: a number or a string of statistics
    sed -n "s/.*\"$1\":\"*\([^,\"}]*\).*/\1/p" "$2"
}
kernel=$guests/kernel-virt.elf
techniques=bare
"$vmm" run --help | grep -q '^Techniques:.* trap' && techniques='bare trap'

# ---- traces: as many entries as exits were counted, and the run is the same ----

for technique in $techniques; do
    run -t "$technique" --stats="$work/plain" "$guests/hello.elf"
    run -t "$technique" --stats="$work/plain" "$kernel"
    cp "$work/out" "$work/console"
    for ending in txt jsonl json; do
        run -t "$technique" --trace "$work/trace.$ending" --stats="$work/stats" "$kernel"
        [ $? = "$(field status "$work/plain")" ] || fail "$technique $ending: another status"
        cmp -s "$work/out" "$work/console" || fail "$technique $ending: another console"
        [ "$(field digest "$work/stats")" = "$(field digest "$work/plain")" ] ||
            fail "$technique $ending: another digest"
    done
    exits=$(grep -o '"count":[0-9]*,"share"' "$work/stats" | tr -dc '0-9\n' | awk '{ n += $1 } END { print n }')
    grep -v '^{"\(trace\|end\)":{' "$work/trace.jsonl" >"$work/records"
    for lines in "$work/trace.txt" "$work/records"; do
        [ "$(wc -l <"$lines")" = "$exits" ] ||
            fail "$technique: $exits exits, but $(wc -l <"$lines") lines in ${lines##*/}"
    done
    head -n 1 "$work/trace.jsonl" | grep -q '^{"trace":{"format":1,' && tail -n 1 "$work/trace.jsonl" |
        grep -q "^{\"end\":{\"vm\":0,\"records\":$exits,.*\"digest\":\"$(field digest "$work/stats")\"" ||
        fail "$technique: what is before and behind the records: $(tail -n 1 "$work/trace.jsonl")"
    [ "$(grep -c '"ph":"X"' "$work/trace.json")" = "$exits" ] || fail "$technique: slices are missing"
    tail -n 1 "$work/trace.json" | grep -qx '\]}}' || fail "$technique: the timeline is not closed"
    grep -qv '^ *[0-9]* \[vm0 ring[0-3]\] 0x[0-9a-f]\{8\} .*= .* -> ' "$work/trace.txt" &&
        fail "$technique: $(grep -v -m 1 '^ *[0-9]* \[vm0 ring[0-3]\] 0x[0-9a-f]\{8\} .*= .* -> ' "$work/trace.txt")"
    cp "$work/trace.txt" "$work/first.txt"
    run -t "$technique" --trace "$work/trace.txt" "$kernel"
    cmp -s "$work/trace.txt" "$work/first.txt" || fail "$technique: traces of equal runs differ"
done

# ---- digests on the way: equal in equal runs, and under every technique ----

for technique in bare $techniques; do
    run -t "$technique" --digest=every:1000003 "$kernel"
    [ -e "$work/digests" ] || cp "$work/err" "$work/digests"
    cmp -s "$work/err" "$work/digests" || fail "$technique: other digests: $(diff "$work/err" "$work/digests")"
done
grep -q '^digest 2000006 0x[0-9a-f]\{16\}$' "$work/digests" || fail "digests: $(cat "$work/digests")"
run -t bare --digest "$kernel"
tail -n 2 "$work/digests" | cmp -s - "$work/err" || fail 'the last digest depends on those before'
run -t bare --digest=every:300000 --max-instructions 1000000 "$guests/spin.elf"
[ "$(grep '^digest ' "$work/err" | cut -d' ' -f2 | tr '\n' ' ')" = '300000 600000 900000 ' ] ||
    fail "digests before a limit: $(grep '^digest ' "$work/err")"

# ---- statistics ----

run -t bare --stats --format csv "$kernel"
head -n 1 "$work/err" | grep -qx 'cause,count,share,ns_total,ns_mean' || fail 'csv has no header'
grep -q '^software_interrupt,[1-9][0-9]*,0\.[0-9]*,[0-9]*,[0-9.]*$' "$work/err" || fail "csv: $(cat "$work/err")"
run -t bare --stats --format table "$kernel"
grep -q '^software_interrupt  *[1-9]' "$work/err" || fail "table: $(cat "$work/err")"
grep -q 'bare: exit, status 1, exit code 0' "$work/err" || fail "table: $(cat "$work/err")"

# ---- several VMs: each has its part ----

case $techniques in
*trap*)
    run -t trap --stats="$work/stats" --trace "$work/trace.txt" --vm "$guests/hello.elf" "$guests/hello.elf"
    run -t trap --stats="$work/single" "$guests/hello.elf"
    digest=$(field digest "$work/single")
    [ "$(grep -o "\"digest\":\"$digest\"" "$work/stats" | wc -l)" = 2 ] && grep -q '"beside":\[{' "$work/stats" ||
        fail "two VMs' statistics: $(cat "$work/stats")"
    [ "$(grep -c '\[vm0 ' "$work/trace.txt")" = "$(grep -c '\[vm1 ' "$work/trace.txt")" ] ||
        fail "two equal VMs have different traces"
    run -t trap --vm "$guests/triplefault.elf" "$guests/hello.elf"
    grep -q '^\[1\] .*triple fault' "$work/err" && grep -q '^registers: ' "$work/err" ||
        fail "the second VM's end: $(cat "$work/err")"
    ;;
esac

# ---- the report on a guest that ended badly ----

for technique in $techniques; do
    run -t "$technique" "$guests/triplefault.elf"
    for part in '^vmm run: .*triple fault' '^registers: ring 0' 'eip 00[0-9a-f]*  eflags' '^ => 0x.*ud2' \
        '#0 .* main+0x' '#1 .* _start+0x' '^walk of 0x.* (EIP)' '^last .* traps' 'ud2 = #UD'; do
        grep -q "$part" "$work/err" || fail "$technique, triplefault: no '$part' in: $(cat "$work/err")"
    done
    [ "$(wc -c <"$work/err")" -lt 16384 ] || fail "$technique: the report is too long"
    run -t "$technique" --max-instructions 1000000 "$guests/spin.elf"
    grep -q '^registers: ' "$work/err" || fail "$technique: no report at the limit"
    run -t "$technique" --max-instructions 1200 "$guests/realmode.bin"
    grep -q '^registers: .*real mode' "$work/err" || fail "$technique: no report on real mode: $(cat "$work/err")"
done
run -t bare "$guests/hello.elf"
[ ! -s "$work/err" ] || fail 'a report on a guest that ended well'

# ---- sensitive instructions that do not trap ----

case $techniques in
*trap*)
    run -t trap "$guests/redpill.elf"
    [ $? = 1 ] && grep -q '^trap: [a-z]* at 0x[0-9a-f]\{8\} ' "$work/err" && grep -q '^registers: ' "$work/err" ||
        fail "redpill under trap: $(cat "$work/err")"
    run -t trap --keep-going "$guests/redpill.elf"
    grep -q '^trap: sidt at 0x[0-9a-f]* main.* in ring 0 did not trap, 1 time$' "$work/err" ||
        fail "redpill that keeps going: $(cat "$work/err")"
    grep -q '^trap: sgdt at 0x[0-9a-f]* look_as_user in ring 3' "$work/err" ||
        fail "redpill's ring 3: $(cat "$work/err")"
    ;;
esac

# ---- cores ----

for technique in $techniques; do
    run -t "$technique" --core "$work/core" "$guests/triplefault.elf"
    [ $? = 1 ] || fail "$technique: --core changed the status"
    [ -s "$work/core" ] || fail "$technique: no core"
    if command -v gdb >/dev/null; then
        gdb -nx -batch -ex 'set backtrace past-main' -ex bt -ex 'print/x $esp' -ex 'x/i $pc' "$guests/triplefault.elf" "$work/core" \
            >"$work/gdb" 2>&1 </dev/null
        grep -q '^#0 .* in main ()' "$work/gdb" && grep -q '^#1 .* in _start ()' "$work/gdb" &&
            grep -q 'ud2' "$work/gdb" || fail "$technique: gdb says: $(cat "$work/gdb")"
    fi
done
run -t bare --core "$work/core" --max-instructions 300000 "$kernel"
if command -v gdb >/dev/null; then
    gdb -nx -batch -ex 'info files' -c "$work/core" >"$work/gdb" 2>&1 </dev/null
    grep -q '0x40000000 - 0x4000[0-9a-f]* is load' "$work/gdb" || fail "no user memory: $(cat "$work/gdb")"
fi

# ---- what cannot be written ----

for technique in $techniques; do
    run -t "$technique" "$guests/hello.elf"
    cp "$work/out" "$work/console"
    for option in trace core stats; do
        [ -w /dev/full ] || continue
        run -t "$technique" --$option=/dev/full "$kernel"
        [ $? = 1 ] || fail "$technique --$option=/dev/full: not status 1"
        [ "$(wc -l <"$work/err")" = 1 ] && grep -q "'/dev/full'" "$work/err" ||
            fail "$technique --$option=/dev/full: $(cat "$work/err")"
        grep -q 'ended with status 0' "$work/out" || fail "$technique --$option=/dev/full: the run suffered"
        run -t "$technique" --$option="$work/missing/file" "$guests/hello.elf"
        [ $? = 1 ] && [ "$(wc -l <"$work/err")" = 1 ] && [ ! -s "$work/out" ] ||
            fail "$technique --$option in a missing folder: $(cat "$work/err" "$work/out")"
        run -t "$technique" --$option="$work" "$guests/hello.elf"
        [ $? = 1 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "--$option to a folder: $(cat "$work/err")"
    done
done
if [ -w /dev/full ]; then
    "$vmm" run -t bare "$guests/hello.elf" >/dev/full 2>"$work/err" </dev/null
    [ $? = 1 ] && grep -q "console cannot be written" "$work/err" || fail "console to /dev/full: $(cat "$work/err")"
fi
for choice in every:0 every every:x every:5x magic every:99999999999999999999; do
    run "--digest=$choice" "$kernel"
    [ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "--digest=$choice: $(cat "$work/err")"
done
run --format xml "$kernel"
[ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "--format xml: $(cat "$work/err")"
for option in --max-instructions=5 --digest=every:5; do
    run --clock host "$option" "$kernel"
    [ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "--clock host $option: $(cat "$work/err")"
done

# ---- guests that do what no guest should ----

guest() { # NAME BYTES: a flat image, in printf's words
    # shellcheck disable=SC2059
    printf "$2" >"$work/$1"
}
guest nowhere '\270\000\000\000\360\377\340'                                   # jmp 0xf0000000
guest segment '\270\063\022\000\000\216\330'                                   # mov ds,0x1233
guest far '\352\000\000\000\000\200\000'                                       # jmp 0x80:0
guest cr3 '\270\000\000\000\360\017\042\330\017\040\300\015\000\000\000\200\017\042\300\220' # CR3 = 0xf0000000
guest stack '\274\000\000\000\360\061\300\120\353\376'                         # push where there is no memory
guest forever '\353\376'                                                       # jmp .
head -c 65536 /dev/urandom >"$work/garbage"
for technique in $techniques; do
    for name in nowhere segment far cr3 stack forever garbage; do
        run -t "$technique" --load flat@0x100000 --max-instructions 300000 "$work/$name"
        status=$?
        [ $status = 1 ] || [ $name = garbage ] && [ $status -lt 128 ] ||
            fail "$technique, $name: status $status, $(head -n 2 "$work/err")"
        [ $name = garbage ] || grep -q '^registers: ' "$work/err" || fail "$technique, $name: no report"
    done
done
exit $bad
