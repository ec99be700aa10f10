#!/bin/sh
# Runs the guests of `expected/` under QEMU's TCG and compares consoles and statuses.
# Usage: compare.sh BUILD [NAME...]; --update as first argument writes the expected files instead.
# expected/NAME.txt: the console; its last line, `exit N`, is the exit code (port 0xF4). bench-W.txt is
# bench.elf with `w=W n=1000` (n=2 for primes and sieve).
here=$(cd "$(dirname "$0")" && pwd)
update=0
if [ "$1" = --update ]; then
    update=1
    shift
fi
build=$1
shift
command -v qemu-system-i386 >/dev/null 2>&1 || {
    echo "skipped: qemu-system-i386 is not installed"
    exit 77
}
[ $# -gt 0 ] || set -- $(cd "$here/expected" && ls *.txt | sed 's/\.txt$//')
failed=0
for name in "$@"; do
    # Guests whose expectation is the manual's and not QEMU's are listed in DEVIATIONS.md.
    case $name in manual | flat) continue ;; esac
    # A real BIOS's own text surrounds what a boot sector prints: only the exit code is compared.
    if [ "$name" = realmode ]; then
        "$here/qemu.sh" "$build/$name.bin" >"$build/$name.out" 2>&1
        [ $? = 1 ] && echo "$name: as expected" && continue
        echo "$name: differs"
        failed=1
        continue
    fi
    # The bench kernel's workloads, each for a short while: their checksums.
    arguments=
    image=$build/$name.elf
    case $name in
    bench-primes | bench-sieve) arguments="w=${name#bench-} n=2" image=$build/bench.elf ;;
    bench-*) arguments="w=${name#bench-} n=1000" image=$build/bench.elf ;;
    esac
    [ -f "$image" ] || image=$build/$name.bin
    "$here/qemu.sh" "$image" $arguments >"$build/$name.out" 2>&1
    echo "exit $(($? >> 1))" >>"$build/$name.out"
    if [ $update = 1 ]; then
        cp "$build/$name.out" "$here/expected/$name.txt"
    elif cmp -s "$build/$name.out" "$here/expected/$name.txt"; then
        echo "$name: as expected"
    else
        echo "$name: differs"
        diff "$here/expected/$name.txt" "$build/$name.out" | head -20
        failed=1
    fi
done
exit $failed
