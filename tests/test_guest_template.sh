#!/bin/sh
# The template behind `vmm new guest NAME`: copied to a fresh folder and given a name, it builds with the
# machine's compiler alone, is a Multiboot 1 ELF file, and, where QEMU is installed, prints its line.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$*"
    exit 1
}

mkdir "$folder/tiny"
for file in "$here"/shell/templates/guest/*; do
    sed 's/@NAME@/tiny/g' "$file" >"$folder/tiny/$(basename "$file")"
done
cd "$folder/tiny" || exit 1
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make ${GUEST_CROSS:+CC="${GUEST_CROSS}gcc" LD="${GUEST_CROSS}ld"} \
    >"$folder/log" 2>&1 || fail "make failed: $(cat "$folder/log")"
grep -q 'warning' "$folder/log" && fail "make warns: $(cat "$folder/log")"
grep -l '@NAME@' ./* && fail "the placeholder is left"
[ "$(head -c 5 tiny.elf | od -An -tx1 | tr -d ' ')" = 7f454c4601 ] || fail "tiny.elf is no ELF32 file"
head -c 8192 tiny.elf | od -An -v -tx1 | tr -d ' \n' | grep -q '02b0ad1b' ||
    fail "no Multiboot header in the first 8 KB"

if command -v qemu-system-i386 >/dev/null 2>&1; then
    # It halts for ever when it is done; QEMU is ended once the line is there.
    qemu-system-i386 -accel tcg -m 64 -display none -nodefaults -no-reboot -serial null \
        -debugcon "file:$folder/console" -kernel tiny.elf </dev/null >/dev/null 2>&1 &
    qemu=$!
    tries=0
    while [ $tries -lt 100 ] && ! grep -qs 'Hello from tiny\.' "$folder/console"; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill $qemu 2>/dev/null
    wait $qemu 2>/dev/null
    grep -q 'Hello from tiny\.' "$folder/console" || fail "no greeting under QEMU"
fi
echo "the template builds and runs"
