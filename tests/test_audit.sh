#!/bin/sh
# `vmm audit`: virtualizable guests are equivalent under every technique, and for the others the
# first silent instruction is named, as single-stepping both sides confirms; the report's JSON shape,
# its exit status, and what a wrong command line is told.
#
#   VMM_BUILD=build tests/test_audit.sh
set -u
build=${VMM_BUILD:-build}
vmm=$build/vmm
guests=$build/guests
[ -f "$guests/kernel-virt.elf" ] || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
    echo "$*" >&2
    failures=$((failures + 1))
}

# audit STATUS OPTION...: the report is in $work/out.
audit() {
    wanted=$1
    shift
    "$vmm" audit "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ $status = "$wanted" ] || fail "audit $*: status $status: $(cat "$work/out" "$work/err")"
}
has() {
    grep -q "$1" "$work/out" || fail "no '$1' in: $(cat "$work/out" "$work/err")"
}

for technique in trap interp; do
    for guest in hello hello-serial smc ports hlt triplefault jump-unmapped bad-segments; do
        audit 0 -t $technique --format json "$guests/$guest.elf"
        has "\"technique\":\"$technique\",\"equivalent\":true,\"divergence\":null"
        has '"violation_count":0,"violations":\[\]'
    done
done
audit 0 "$guests/kernel-virt.elf"
has '^Equivalence  *holds$'
has '^Resource control  *holds'
audit 0 -t interp "$guests/smc.elf"
for technique in trap hybrid; do
    audit 0 -t $technique --exits --max-instructions 700000 "$guests/kernel-virt.elf"
    has '^Equivalence  *holds$'
    has '[0-9][0-9][0-9] comparisons'
    audit 0 -t $technique --exits "$guests/ports.elf"
done
# A stop at a nested fault in the delivery of a trap does not lose the trap.
audit 0 -t hw --exits --max-instructions 14000 "$guests/manual.elf"
has '[0-9][0-9][0-9] comparisons'
audit 0 -t trap -m 2M --every 1 "$guests/hello.elf"
has '6[0-9]* comparisons'

# While a page is watched for its first write, the translation of a patched block is interrupted.
audit 0 -t patch --every 1 "$guests/sensitive.elf"
has 'Equivalence *holds'

# An IRET to an instruction whose second page is absent: its fault comes behind the boundary. And
# stale translations that a comparison has made both sides forget.
audit 0 -t patch --every 1 --max-instructions 125000 "$guests/hostile.elf"
audit 0 -t interp --every 1 --max-instructions 213000 "$guests/paging.elf"

# A boot sector, in real mode, protected mode and real mode again, after each instruction.
for technique in bt interp hw; do
    audit 0 -t $technique --every 1 "$guests/realmode.bin"
    has 'Equivalence *holds'
done

# Both sides single-stepped by the digest: the audit's instruction is the first that differs.
digests() { # TECHNIQUE INSTRUCTIONS IMAGE
    "$vmm" run -t "$1" --keep-going --max-instructions "$2" --digest "$3" 2>&1 >/dev/null </dev/null |
        grep '^digest'
}
for guest in sensitive redpill kernel; do
    image=$guests/$guest.elf
    audit 1 --max-instructions 1000000 --format json "$image"
    has '"equivalent":false,"divergence":{"instruction":'
    has '"class":"sensitive, unprivileged","property":"equivalence","silent":true'
    has '"state":{"bare":{".*},"vm":{"'
    has '"resource_control":{.*"violations":\[\]}'
    n=$(sed 's/.*"divergence":{"instruction":\([0-9]*\).*/\1/' "$work/out")
    [ "$(digests bare $((n - 1)) "$image")" = "$(digests trap $((n - 1)) "$image")" ] ||
        fail "$guest: the states differ before instruction $n"
    [ "$(digests bare "$n" "$image")" != "$(digests trap "$n" "$image")" ] ||
        fail "$guest: the states do not differ after instruction $n"
done
audit 1 "$guests/redpill.elf"
has ': sgdt '
audit 1 --every 7 "$guests/sensitive.elf"
has '<first_silent> in ring 0: pushfd'
audit 1 --format csv "$guests/sensitive.elf"
has '^trap,0,[0-9]*,0x[0-9a-f]*,"pushfd","sensitive, unprivileged",0,'

audit 1 "$guests/sensitive.elf"
has '^Search  *[0-9]* instructions run again, from the start: there is no snapshot$'

audit 2 -t bare "$guests/hello.elf"
audit 2 -t nonsense "$guests/hello.elf"
audit 2 --every 0 "$guests/hello.elf"
audit 2 --format xml "$guests/hello.elf"
audit 2 --clock host "$guests/hello.elf"
audit 2 --vm "$guests/hello.elf" "$guests/hello.elf"
audit 2
audit 1 "$work/nothing"
audit 0 --help
has '^Usage: vmm audit'

[ $failures = 0 ]
