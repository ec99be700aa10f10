#!/bin/sh
# Tells whether an image is free of the instructions that are sensitive but not privileged on the
# x86 (Robin and Irvine 2000), by disassembling it. Usage: virtualizable.sh ELF...; status 1 if not.
# A far JMP stays allowed: the one behind LGDT reloads CS. So is IRET, which traps outward.
found=0
for image in "$@"; do
    if "${GUEST_OBJDUMP:-objdump}" -d --no-show-raw-insn "$image" | grep -E \
        '	(pushf|popf|sgdt|sidt|sldt|str |smsw|lar|lsl|verr|verw|lcall|lret|push[lw]? +%[c-gs]s\>|mov[lw]? +%[c-gs]s,)'; then
        echo "$image: sensitive, unprivileged instructions"
        found=1
    fi
done
exit $found
