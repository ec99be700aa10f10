#!/bin/sh
# Runs the guests of expected/ and compares their consoles and exit codes: under QEMU's TCG, or with
# GUEST_RUNNER=vmm.sh under our own program.
#
#   compare.sh [--update] BUILD [NAME...]       --update (QEMU only) writes the expected files instead
#
# expected/NAME.txt is the console; its last line, `exit N`, is the exit code (port 0xF4). bench-W.txt
# is bench.elf with `w=W n=1000` (n=2 for primes and sieve).
here=$(cd "$(dirname "$0")" && pwd)
runner=${GUEST_RUNNER:-qemu.sh}
update=0
if [ "$1" = --update ]; then
    update=1
    shift
fi
build=$1
shift
if [ "$runner" = qemu.sh ] && ! command -v qemu-system-i386 >/dev/null 2>&1; then
    echo "skipped: qemu-system-i386 is not installed"
    exit 77
fi
[ $# -gt 0 ] || set -- $(cd "$here/expected" && ls *.txt | sed 's/\.txt$//')
output=$(mktemp -d)
trap 'rm -rf "$output"' EXIT
failed=0
for name in "$@"; do
    image=$build/$name.elf
    arguments=
    case $name in
    bench-primes | bench-sieve) arguments="w=${name#bench-} n=2" image=$build/bench.elf ;;
    bench-*) arguments="w=${name#bench-} n=1000" image=$build/bench.elf ;;
    flat | realmode) image=$build/$name.bin ;;
    esac
    if [ "$runner" = qemu.sh ]; then
        # What QEMU does otherwise (DEVIATIONS.md), and what it cannot load.
        case $name in manual | flat) continue ;; esac
    fi
    "$here/$runner" "$image" $arguments >"$output/console" 2>"$output/errors"
    status=$?
    echo "exit $((status >> 1))" >>"$output/console"
    if [ "$runner$name" = qemu.shrealmode ]; then
        # The BIOS's own text surrounds what a boot sector prints: the exit code tells.
        echo "exit $((status >> 1))" >"$output/console"
        tail -n 1 "$here/expected/$name.txt" >"$output/expected"
    else
        cp "$here/expected/$name.txt" "$output/expected" 2>/dev/null || : >"$output/expected"
    fi
    if [ $update = 1 ]; then
        cp "$output/console" "$here/expected/$name.txt"
    elif cmp -s "$output/console" "$output/expected" && [ $((status & 1)) = 1 ]; then
        echo "$name: as expected"
    else
        echo "$name: differs (status $status)"
        diff "$output/expected" "$output/console" | head -20
        head -3 "$output/errors"
        failed=1
    fi
done
exit $failed
