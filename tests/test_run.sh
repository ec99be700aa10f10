#!/bin/sh
# `vmm run` from outside: the guests' consoles and exit codes are what expected/ says, each way a run
# can end gives its status, runs repeat exactly, and whatever is wrong with a file or an option is
# told in one line on standard error, with nothing on standard output.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
guests=$build/guests
[ -x "$vmm" ] && [ -e "$guests/hello.elf" ] || {
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

# ---- what the guests print, and how they end (port 0xF4: status (v << 1) | 1) ----

GUEST_RUNNER=vmm.sh VMM=$vmm sh tests/guests/compare.sh "$guests" hello hello-serial exceptions gates paging smc tasks ports \
    timer trapstorm redpill sensitive kernel kernel-virt flat realmode || bad=1

# ends STATUS STOP OPTION...: how a run ends, by its status and its statistics; a status of 1 that no
# guest asked for comes with a sentence.
ends() {
    wanted=$1 stop=$2
    shift 2
    timeout 60 "$vmm" run -t bare --stats="$work/stats" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "$*: status $status, not $wanted: $(cat "$work/err")"
    grep -q "\"stop\":\"$stop\"" "$work/stats" || fail "$*: not $stop: $(cat "$work/stats")"
    lines=$(grep -c '^vmm run: ' "$work/err")
    case $stop in
    exit | halt | reset) [ ! -s "$work/err" ] || fail "$*: $(cat "$work/err")" ;;
    *) [ "$lines" = 1 ] || fail "$*: $lines sentences: $(cat "$work/err")" ;;
    esac
}
field() { # NAME: a number or a string of the last statistics
    sed -n "s/.*\"$1\":\"*\([^,\"}]*\).*/\1/p" "$work/stats"
}

ends 1 exit "$guests/hello.elf"
[ "$(field exit_code)" = 0 ] && [ "$(field status)" = 1 ] && [ "$(field technique)" = bare ] ||
    fail "the statistics of hello: $(cat "$work/stats")"
ends 0 halt "$guests/hlt.elf"
ends 1 shutdown "$guests/triplefault.elf"
ends 1 limit --max-instructions 1000000 "$guests/spin.elf"
[ "$(field guest_instructions)" = 1000000 ] || fail "the limit was overrun: $(cat "$work/stats")"

# ---- a run repeats exactly ----

timeout 60 "$vmm" run -t bare --digest --stats "$guests/kernel.elf" >"$work/console" 2>"$work/report" </dev/null
[ "$(grep -c '^digest: 0x[0-9a-f]\{16\}$' "$work/report")" = 1 ] || fail "--digest: $(cat "$work/report")"
for run in 1 2; do
    timeout 60 "$vmm" run -t bare --stats="$work/stats" "$guests/kernel.elf" >/dev/null 2>&1 </dev/null
    echo "$(field digest) $(field guest_instructions)" >"$work/run$run"
done
grep -q '^0x[0-9a-f]\{16\} [1-9]' "$work/run1" || fail "the kernel's statistics: $(cat "$work/stats")"
cmp -s "$work/run1" "$work/run2" || fail "two runs differ: $(cat "$work/run1" "$work/run2")"
grep -q "$(cut -d' ' -f1 "$work/run1")" "$work/report" || fail 'the digests of two runs differ'

# ---- mistakes ----

# refuses STATUS OPTION...: one line on standard error, nothing on standard output.
refuses() {
    wanted=$1
    shift
    timeout 20 "$vmm" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "vmm $*: status $status, not $wanted"
    [ ! -s "$work/out" ] || fail "vmm $*: something on standard output"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "vmm $*: not one line: $(cat "$work/err")"
}

hello=$guests/hello.elf
: >"$work/empty"
head -c 100 "$hello" >"$work/truncated"
head -c 65536 /dev/urandom >"$work/random"
{
    printf '\177ELF\002\001\001'
    tail -c +8 "$hello"
} >"$work/elf64"
mkfifo "$work/pipe"
for image in missing empty truncated random elf64 pipe .; do
    refuses 1 run "$work/$image"
done
refuses 1 run --module "$work/missing" "$hello"
refuses 1 run --initrd "$work/missing" "$hello"
refuses 1 run --stats="$work/missing/stats" "$hello"
refuses 2 run
refuses 2 run "$hello" "$hello"
for size in 0 1 64X -1 '' 64MM 5G 99999999999999999999 18014398509481984K 1.5M; do
    refuses 2 run -m "$size" "$hello"
done
refuses 2 run --max-instructions 0 "$hello"
refuses 2 run --max-instructions -5 "$hello"
refuses 2 run --clock sundial "$hello"
refuses 2 run -t magic "$hello"
refuses 2 run --load magic "$hello"
refuses 2 run --unknown "$hello"
refuses 2 run -x "$hello"
refuses 2 run "$hello" -m
refuses 2 classfy
refuses 2 qqqqqqqqqqqqqqqqq
refuses 2 --unknown
"$vmm" rnu 2>&1 | grep -q "'run'" || fail 'the nearest command is not named'

# ---- help ----

for command in run debug classify theorem version; do
    "$vmm" help $command | grep -q "^Usage: vmm $command" || fail "help $command"
    "$vmm" $command --help | grep -q "^Usage: vmm $command" || fail "$command --help"
    "$vmm" --help | grep -q "^  $command " || fail "--help does not list $command"
done
"$vmm" --version | grep -qx 'vmm [0-9.]*' || fail '--version'
exit $bad
