#!/bin/sh
# Lab 8, where the student's file is a part of a guest: what is tried instead of doing the lab scores
# 0, for a reason that is told, and leaves nothing; and what the prompt shows of it. Some of that, or
# all if VMM_ALL_LABS is set (make check-labs). (Starter, reference and mutants: test_labs_check.sh.)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
vmm=$build/vmm
tree=$PWD
case $build in
*/build) ;;
*)
    echo 'skipped: submissions are run by the plain library'
    exit 77
    ;;
esac
command -v python3 >/dev/null || {
    echo 'skipped: python3 reads the results'
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
TMPDIR=$work/tmp
export TMPDIR
mkdir "$TMPDIR" "$work/hostile" "$work/few"
echo a secret >"$work/secret"
chmod 600 "$work/secret"
solution=$tree/labs/solutions/08-hypercalls/glue.c
bad=0 count=0 tests=few
fail() {
    echo "$*"
    bad=1
}
cd "$work" || exit 1
# Few tests, so that an endless loop ends soon: one of the console, one of memory, one of processes.
cp "$tree"/labs/08-hypercalls/tests/01-*.conf "$tree"/labs/08-hypercalls/tests/05-*.conf \
    "$tree"/labs/08-hypercalls/tests/09-*.conf "$tree"/labs/08-hypercalls/tests/20-*.conf few

tried() { # NAME: whether it is, or only by make check-labs
    case ${VMM_ALL_LABS:+all}:$1 in
    all:* | *:'the expected text' | *:'endless output' | *:'random hypercalls' | *:ports) ;;
    *:"the kernel's own functions" | *:'an empty file') ;;
    *) return 1 ;;
    esac
}
judge() { # NAME WORDS: the submission in hostile/ scores 0 and is told WORDS
    tried "$1" || return
    count=$((count + 1))
    timeout 300 "$vmm" lab grade 8 hostile --tests "$tests" --format json -o result.json >out 2>err
    python3 - "$2" <<'END' || fail "$1: $(cat err) $(head -c 1500 result.json)"
import json, sys
with open("result.json") as file:
    r = json.load(file)
text = r["output"] + "".join(t["output"] for t in r["tests"])
sys.exit(0 if r["score"] == 0 and sys.argv[1] in text else 1)
END
    [ -z "$(ls "$TMPDIR")" ] || fail "$1 leaves files: $(ls "$TMPDIR")"
}
# The reference, which does something else first.
instead() { # NAME WORDS C
    tried "$1" || return
    python3 - "$solution" "$3" >hostile/glue.c <<'END'
import sys
text = open(sys.argv[1]).read()
first, rest = text.split("void arch_begin(void)\n{\n", 1)
print(first + "void arch_begin(void)\n{\n" + sys.argv[2] + "\n" + rest, end="")
END
    judge "$1" "$2"
}

# ---- the right text without the work ----

# All that the bare machine prints for a command line without a seed, and its exit code.
"$vmm" run -t bare -m 8M --append run=faults "$build/labs/08-hypercalls/give/bare.elf" >text 2>/dev/null
python3 - >hostile/glue.c <<'END'
import json
text = open("text").read()
print('#include "glue.h"')
print("static const char text[] =", "\n".join(json.dumps(line + "\n") for line in text.splitlines()) + ";")
END
sed '/#include "glue.h"/d' "$solution" | python3 -c '
import sys
first, rest = sys.stdin.read().split("void arch_begin(void)\n{\n", 1)
print(first + """void arch_begin(void)
{
    vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)text, sizeof text - 1, 0);
    vmm_hypercall(VMM_HC_SHUTDOWN, 0, 0, 0);
""" + rest, end="")' >>hostile/glue.c
judge 'the expected text' '0 system calls, expected'
instead 'a result' 'the console has: {' \
    'static const char text[] = "{\"score\": 60, \"tests\": []}\nok 1 - the console\n"; vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)text, sizeof text - 1, 0); vmm_hypercall(VMM_HC_SHUTDOWN, 0, 0, 0);'
instead 'an exit' 'expected:        kernel: 8 MB of memory' 'vmm_hypercall(VMM_HC_SHUTDOWN, 0, 0, 0);'
# The line that an event makes, printed without one.
python3 - "$solution" >hostile/glue.c <<'END'
import sys
text = open(sys.argv[1]).read()
print(text.replace("void tables_init(void)\n{\n", '''void tables_init(void)
{
    static const char text[] = "ticks while masked: 0, behind irq_enable: 1\\n";
    extern char command_line[];
    uint32_t code = 0;
    for (const char *c = command_line; *c; c++)
        if (c[0] == 'o' && c[1] == 'd' && c[2] == 'e' && c[3] == '=')
            for (c += 4; *c >= '0' && *c <= '9'; c++)
                code = code * 10 + (uint32_t)(*c - '0');
    put_chars(text, sizeof text - 1);
    power_off(code);
'''), end="")
END
mkdir -p one && cp few/05-*.conf one
timeout 60 "$vmm" lab grade 8 hostile --tests one >out 2>err
grep -q 'was interrupted by 0 events, and on the bare machine by 1' out || fail "a tick that never was: $(cat out)"

# ---- without an end ----

instead 'an endless loop' 'the kernel is still running' 'for (;;) asm volatile("");'
instead 'a loop of hypercalls' 'the kernel is still running' 'for (;;) vmm_hypercall(VMM_HC_CONSOLE_READ, (uint32_t)&shared, 0, 0);'
tests=one # 4 MB of it each
instead 'endless output' 'more than 4194304 bytes' 'for (;;) vmm_hypercall(VMM_HC_CONSOLE_WRITE, 0x100000, 65536, 0);'
tests=few
instead 'waiting for nothing' 'halted for good' 'vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0); for (;;) vmm_hypercall(VMM_HC_YIELD, 0, 0, 0);'
instead 'exceptions without handlers' 'has named no handler' 'vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0); asm volatile("ud2");'
instead 'a jump to nowhere' 'Instruction' '((void (*)(void))0xfffffff0)();'

# ---- attacks on the VMM: refused, and told ----

for call in '5, 0x100000, 1024' '5, 0xffffff00, 1' '4, 0xfffffff0, 256' '3, 0x100000, 512' '77, 0, 0' '1, 0xffc00000, 65537' '0, 0x7fffffff, 0'; do
    instead "hypercall $call" 'the VMM refused the hypercall' "vmm_hypercall($call, 0);"
done
instead 'random hypercalls' 'the VMM refused the hypercall' 'uint32_t r = 1; for (int i = 0; i < 20000; i++) { r = r * 1664525 + 1013904223; uint32_t n = r >> 24 & 15, b = r << (r & 15); if (n != 7 && n != 6 && n != 9) vmm_hypercall(n, b, r >> 20, r); }'
instead 'a privileged instruction' "the kernel executes 'cli', which is privileged" 'vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0); tables_init(); asm volatile("cli");'
instead 'ports' 'privileged' 'asm volatile("outb %%al, $0xf4" :: "a"(0));'
instead 'the VMM'"'"'s memory' 'Instruction' '*(volatile uint32_t *)VMM_HC_P2M = 0;'

# ---- attacks on the build ----

instead 'the kernel'"'"'s own functions' 'multiple definition' '} void trap(void *frame); void trap(void *frame) { (void)frame;'
instead 'no C' 'error' 'this is no C'
instead 'an endless #include' 'error' '
#include "glue.c"
'
if [ "$(id -u)" = 0 ]; then
    instead '#include of a file' 'Permission denied' "
#include \"$work/secret\"
"
    instead '.incbin of a file' 'file not found' "asm(\".incbin \\\"$work/secret\\\"\");"
fi
printf 'char big[1u << 31];\n' | cat "$solution" - >hostile/glue.c
judge 'an enormous array' 'error'
: >hostile/glue.c
judge 'an empty file' 'undefined reference'
rm hostile/glue.c
judge 'no file' 'cannot be read'

# ---- at the prompt ----

"$vmm" lab start 8 >out 2>err || fail "lab start: $(cat err)"
for file in glue.c glue.h Makefile README.md kernel.o bare.elf kernel/entry.S kernel/layout.h tests/01-console.conf; do
    [ -f "08-hypercalls/$file" ] || fail "lab start makes no $file"
done
grep -rl 'VMM_HC_MMU' 08-hypercalls/kernel && fail 'the sources have the other half'
cd 08-hypercalls || exit 1
PATH=$build:$PATH make -s run >../out 2>../err
grep -q '^glue: arch_begin is not written yet' ../out || fail "make run: $(cat ../out ../err)"
PATH=$build:$PATH make -s bare APPEND=probe=masked >../out 2>../err
grep -q '^ticks while masked: 0, behind irq_enable: 1' ../out || fail "make bare: $(cat ../out ../err)"
cp "$solution" .
printf 'lab start 8\ntrap hypercall\nwhy\ncontinue\n' | timeout 60 "$vmm" debug --append 'probe=masked' >../out 2>&1
grep -q 'Lab 8, from .: its kernel is built' ../out && grep -q 'D-A attach: done' ../out &&
    grep -q '^| ticks while masked: 0, behind irq_enable: 1' ../out || fail "at the prompt: $(cat ../out)"
# What is refused, the prompt explains.
sed -f "$tree/labs/solutions/08-hypercalls/mutants/48-writable-table.sed" "$solution" >glue.c
mkdir ../entries && cp "$tree"/labs/08-hypercalls/tests/10-entries.conf ../entries
"$vmm" lab grade 8 . --tests ../entries --format json -o ../result.json >../out 2>../err
place=$(python3 -c 'import json, re
r = json.load(open("../result.json"))
text = [t["output"] for t in r["tests"] if t["name"] == "entries as they were written"][0]
print(*re.search(r"append .(.*)\x27 kernel.elf, then .until (\d+)", text).groups(), sep="|")')
printf 'lab start 8\nuntil %s\ntrap\nwhy\n' "${place#*|}" |
    timeout 60 "$vmm" debug --append "${place%|*}" >../out 2>&1
tr -s ' \n' ' ' <../out | grep -q "The hypercall is 'mmu'. Outcome 'refused': .* with the error -5 in EAX" ||
    fail "a refusal at the prompt ($place): $(cat ../out)"
echo "$count submissions that try something else"
exit $bad
