#!/bin/sh
# Runs a guest under QEMU's TCG, the reference that is not ours, and prints its console (COM1 and
# port 0xE9, in order). Usage: qemu.sh GUEST [COMMAND-LINE]
# Status: the guest's exit code v through port 0xF4 as QEMU gives it, (v << 1) | 1; 0 after a reset;
# 77 where QEMU is missing; 124 if the guest does not end within QEMU_TIMEOUT (20) seconds.
if [ $# -lt 1 ]; then
    echo "usage: $0 GUEST [COMMAND-LINE]" >&2
    exit 2
fi
if ! command -v qemu-system-i386 >/dev/null 2>&1; then
    echo "skipped: qemu-system-i386 is not installed"
    exit 77
fi
guest=$1
shift
case $guest in
*.bin) set -- -drive "file=$guest,format=raw,if=floppy,readonly=on" -machine pc,graphics=off ;;
*) set -- -kernel "$guest" -append "$*" ;;
esac
exec timeout "${QEMU_TIMEOUT:-20}" qemu-system-i386 -accel tcg -m "${QEMU_MEMORY:-64}" \
    -display none -nodefaults -no-reboot \
    -chardev stdio,id=console,mux=on,signal=off \
    -device isa-debugcon,iobase=0xe9,chardev=console -serial chardev:console \
    -device isa-debug-exit,iobase=0xf4,iosize=4 "$@" </dev/null
