#!/bin/sh
# Every technique that keeps equivalence runs the project's guests as the bare machine does: the same
# console, exit status, instruction count and state digest. And where trap-and-emulate cannot, it
# says which instruction was silent.
#
#   VMM_BUILD=build tests/test_techniques.sh
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

# run NAME TECHNIQUE: leaves console, status, digest and instruction count in files. The technique
# may have a kind of paging behind it: hw:shadow.
run() {
    # shellcheck disable=SC2046 # two words
    "$vmm" run -t $(echo "$2" | sed 's/:/ --mmu /') --max-instructions 6000000 --digest --stats="$work/stats" \
        "$guests/$1" >"$work/$2.out" 2>"$work/$2.err" </dev/null
    echo "status $?" >"$work/$2.end"
    grep '^digest' "$work/$2.err" >>"$work/$2.end"
    sed 's/.*"guest_instructions": *\([0-9]*\).*/instructions \1/' "$work/stats" >>"$work/$2.end"
}

# The virtualizable guests; spin ends at the limit, the broken ones with a shutdown.
for guest in hello.elf hello-serial.elf smc.elf ports.elf hlt.elf triplefault.elf \
    jump-unmapped.elf bad-segments.elf cr3-nowhere.elf spin.elf realmode.bin kernel-virt.elf \
    kernel.elf sensitive.elf exceptions.elf paging.elf timer.elf trapstorm.elf \
    both-rings.elf gates.elf manual.elf redpill.elf evicted.elf tasks.elf; do
    run "$guest" bare
    case $guest in
    kernel.elf | sensitive.elf | exceptions.elf | paging.elf | timer.elf | trapstorm.elf | \
        both-rings.elf | gates.elf | manual.elf | tasks.elf)
        # What is sensitive and unprivileged in them is the supervisor's: theorem 3.
        techniques='patch hybrid bt hw:nested hw:shadow'
        ;;
    redpill.elf)
        # And in this one the user's, too: only the hardware keeps it from showing.
        techniques='hw:nested hw:shadow'
        ;;
    *) techniques='trap patch hybrid bt hw:nested hw:shadow' ;;
    esac
    for technique in $techniques; do
        run "$guest" $technique
        cmp -s "$work/bare.out" "$work/$technique.out" || fail "$guest: $technique: other output"
        cmp -s "$work/bare.end" "$work/$technique.end" ||
            fail "$guest: $technique: $(cat "$work/$technique.end"); bare: $(cat "$work/bare.end")"
    done
done

# Another set of intercepts changes exits and time, and nothing else.
for guest in exceptions.elf timer.elf kernel.elf realmode.bin; do
    run "$guest" bare
    for set in none all; do
        "$vmm" run -t hw --intercept $set --max-instructions 6000000 --digest \
            --stats="$work/stats.$set" "$guests/$guest" >"$work/set.out" 2>"$work/set.err" </dev/null
        echo "status $?" >"$work/set.end"
        grep '^digest' "$work/set.err" >>"$work/set.end"
        sed 's/.*"guest_instructions": *\([0-9]*\).*/instructions \1/' "$work/stats.$set" >>"$work/set.end"
        cmp -s "$work/bare.out" "$work/set.out" && cmp -s "$work/bare.end" "$work/set.end" ||
            fail "$guest: hw, intercepts '$set': $(cat "$work/set.end"); bare: $(cat "$work/bare.end")"
    done
    emulated() { sed 's/.*"emulated": *\([0-9]*\).*/\1/' "$work/stats.$1"; }
    [ "$(emulated none)" -lt "$(emulated all)" ] || fail "$guest: no exits by 'all'"
done

# silent TECHNIQUE NAME MNEMONIC [ADDRESS]: it stops there with status 1 and a sentence.
silent() {
    run "$2" "$1"
    grep -q '^status 1$' "$work/$1.end" || fail "$2: $(cat "$work/$1.end")"
    grep -q "^$1: $3 at 0x0*${4:-}" "$work/$1.err" || fail "$2: $(cat "$work/$1.err")"
}
first=$(nm "$guests/sensitive.elf" | sed -n 's/^0*\([0-9a-f]*\) T first_silent$/\1/p')
silent trap sensitive.elf '[a-z]*' "$first"
silent trap redpill.elf sgdt
silent trap kernel.elf '[a-z]*'
for technique in patch hybrid bt; do
    silent $technique redpill.elf sgdt
done

# Each instruction is counted once: part by part they are all of them, and each part is there.
for technique in hybrid bt; do
    run kernel.elf $technique
    awk -F'[:,{}]' '{ for (i = 2; i < NF; i++) if ($i ~ /^ *"/) v[$i] = $(i + 1) }
        END { d = v["\"direct\""]; i = v["\"interpreted\""]; e = v["\"emulated\""]
            t = v["\"translated\""]
            exit !(d > 0 && i > 0 && (t > 0) == ("'$technique'" == "bt") &&
                d + t + i + e == v["\"guest_instructions\""]) }' "$work/stats" ||
        fail "the statistics of $technique: $(cat "$work/stats")"
done

# Three VMs in turns on one machine end as one alone.
alone=$("$vmm" run -t bare --digest "$guests/kernel-virt.elf" 2>&1 >/dev/null </dev/null |
    sed -n 's/^digest: //p')
"$vmm" run -t trap --digest --vm "$guests/kernel-virt.elf" --vm "$guests/kernel-virt.elf" \
    "$guests/kernel-virt.elf" >"$work/three.out" 2>"$work/three.err" </dev/null
[ "$(grep -c "digest: $alone\$" "$work/three.err")" = 3 ] || fail "side by side: $(cat "$work/three.err")"
for vm in 0 1 2; do
    sed -n "s/^\[$vm\] \{0,1\}//p" "$work/three.out" >"$work/$vm.out"
    cmp -s "$work/0.out" "$work/$vm.out" || fail "VM $vm: other output than VM 0"
done

# And under hw, where each has a nested table of its own.
"$vmm" run -t hw --digest --vm "$guests/kernel-virt.elf" "$guests/kernel-virt.elf" \
    >"$work/two.out" 2>"$work/two.err" </dev/null
[ "$(grep -c "digest: $alone\$" "$work/two.err")" = 2 ] || fail "hw side by side: $(cat "$work/two.err")"

# An unknown intercept: a sentence with the nearest name and all of them, status 2.
"$vmm" run -t hw --intercept default,cpuit "$guests/hello.elf" >"$work/out" 2>"$work/err" </dev/null
[ $? = 2 ] && grep -q "'cpuit'.*'cpuid'.*hlt" "$work/err" || fail "unknown intercept: $(cat "$work/err")"
"$vmm" run -t trap --mmu shadow "$guests/hello.elf" >"$work/out" 2>"$work/err" </dev/null
[ $? = 2 ] && [ "$(wc -l <"$work/err")" = 1 ] || fail "--mmu under trap: $(cat "$work/err")"

[ "$failures" -eq 0 ]
