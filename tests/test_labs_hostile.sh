#!/bin/sh
# Hostile submissions: whatever a file does that the grader loads, it is worth nothing, the reason is
# told, and no file, process or signal of it is left behind. Some of them, or all if VMM_ALL_LABS is
# set (make check-labs).
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
chmod 777 "$work"
TMPDIR=$work/tmp
export TMPDIR
mkdir "$TMPDIR" "$work/hostile" "$work/one"
cd "$work" || exit 1
echo secret-number-4711 >secret
chmod 600 secret
bad=0
count=0
fail() {
    echo "$*"
    bad=1
}
# One test is enough: each is a process of its own.
cp "$tree/labs/03-interpret/tests/06-hlt.S" "$tree/labs/03-interpret/tests/guest.inc" one
solution=$tree/labs/solutions/03-interpret/interpret.c
lab=3
grade() {
    "$vmm" lab grade $lab hostile --tests one --format json -o result.json >out 2>err
}
# hostile/interpret.c is graded; WORDS have to be in the outputs.
judge() { # NAME WORDS
    case ${VMM_ALL_LABS:+all}:$1 in
    all:* | *:'exit(0)' | *:'a wild pointer' | *:'forged evidence' | *:fork | *:'a new file') ;;
    *:'reading a file' | *:"the library's functions" | *:'no C' | *:'nonsense as an outcome' | *:'lengths at random') ;;
    *:"the monitor's frame in the nested table" | *:"the host's interrupts under the guest's mask") ;;
    *) return ;;
    esac
    count=$((count + 1))
    grade && fail "$1 passes"
    python3 -c 'import json,sys
r = json.load(open("result.json"))
all = r["output"] + "".join(x["output"] for x in r["tests"])
if r["score"] != 0 or sys.argv[1] not in all or "secret-number" in all:
    print(all[:1500])
    sys.exit(1)' "$2" || fail "$1: not scored 0 with '$2'"
    [ ! -e trace ] || fail "$1: a file is left"
    [ -e secret ] && [ "$(cat secret)" = secret-number-4711 ] || fail "$1: a file is changed"
    [ -z "$(ls "$TMPDIR")" ] || fail "$1: $(ls "$TMPDIR") is left"
    printf 'ok  %-28s %s\n' "$1" "$2"
}
includes='#define _GNU_SOURCE
#include <stdlib.h>
#include <stdio.h>
#include <unistd.h>
#include <string.h>
#include <fcntl.h>
#include <signal.h>
#include <pthread.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>'
# The starter, with code that runs when it is loaded. Where nothing came of that, the starter's own
# failure is the reason.
loaded() { # NAME WORDS C
    {
        echo "$includes"
        cat "$tree/labs/03-interpret/starter/interpret.c"
        printf '__attribute__((constructor)) static void evil(void)\n{\n    %s\n}\n' "$3"
    } >hostile/interpret.c
    judge "$1" "$2"
}
# The same, where that something was refused can be seen: the process ends itself unless it was.
refused() { # NAME C-EXPRESSION, true if it could be done
    loaded "$1" 'Module missing' "if ($2) _exit(77);"
}
loaded 'exit(0)' 'ended the process itself, with status 0' 'exit(0);'
loaded '_exit(0)' 'ended the process itself, with status 0' '_exit(0);'
loaded 'the status of a broken host' 'ended the process itself, with status 41' '_exit(41);'
loaded 'a wild pointer' 'crashed: Segmentation fault' '*(volatile int *)8 = 1;'
loaded 'abort' 'crashed: Aborted' 'abort();'
loaded 'an endless loop' 'never returns' 'for (volatile int i = 0;; i++);'
loaded 'a loop that catches SIGXCPU' 'crashed: Killed' 'signal(SIGXCPU, SIG_IGN); for (volatile int i = 0;; i++);'
loaded 'a result on standard output' 'Module missing' 'puts("{\"score\":36,\"max_score\":36,\"tests\":[]}"); fflush(stdout);'
loaded 'TAP on standard output' 'Module missing' 'puts("TAP version 13\n1..1\nok 1 - hlt in ring 0"); fflush(stdout);'
loaded 'forged evidence' 'channel itself' 'char fake[4096]; memset(fake, 1, sizeof fake); if (write(3, fake, sizeof fake) < 0) abort();'
loaded 'huge evidence' 'more to the grader' 'static char fake[65536]; for (;;) if (write(3, fake, sizeof fake) < 0) abort();'
loaded 'huge output' 'never returns' 'static char fake[65536]; for (;;) if (write(1, fake, sizeof fake) < 0) abort();'
loaded 'closed descriptors' 'closed the grader' 'for (int i = 0; i < 64; i++) close(i);'
loaded 'a memory bomb' 'crashed: Aborted' 'for (;;) { char *p = malloc(1 << 20); if (!p) abort(); memset(p, 1, 1 << 20); }'
loaded 'deep recursion' 'crashed: Segmentation fault' 'int f(int n) { volatile char big[4096]; big[0] = (char)n; return n + f(n + 1) + big[0]; } exit(f(0));'
refused 'fork' 'fork() >= 0'
loaded 'a fork bomb' 'never returns' 'for (;;) fork();'
refused 'a process that stays' 'syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0'
refused 'a daemon' 'daemon(0, 0) == 0'
{
    echo "$includes"
    cat "$tree/labs/03-interpret/starter/interpret.c"
    echo 'static void *stay(void *p) { for (;;) write(3, p, 1); return p; }'
    echo '__attribute__((constructor)) static void evil(void) { pthread_t t; if (!pthread_create(&t, 0, stay, "x")) _exit(77); }'
} >hostile/interpret.c
judge 'a thread that stays' 'Module missing'
refused 'another program' 'execl("/bin/sh", "sh", "-c", "touch '"$work"'/trace", (char *)0) == 0'
refused 'system()' 'system("touch '"$work"'/trace") == 0'
refused 'a new file' 'open("'"$work"'/trace", O_CREAT | O_WRONLY, 0600) >= 0'
refused 'writing to a file' 'open("'"$work"'/secret", O_WRONLY | O_TRUNC) >= 0'
refused 'removing a file' 'unlink("'"$work"'/secret") == 0'
refused 'renaming a file' 'rename("'"$work"'/secret", "'"$work"'/trace") == 0'
refused 'a symbolic link' 'symlink("/etc/passwd", "'"$work"'/trace") == 0'
refused 'a signal to the parent' 'kill(getppid(), SIGKILL) == 0 || kill(-1, SIGTERM) == 0'
refused 'a signal to itself' 'raise(SIGSTOP) == 0 || kill(getpid(), SIGSTOP) == 0'
refused 'ptrace' 'ptrace(PTRACE_ATTACH, getppid(), 0, 0) == 0'
refused 'another process'"'"'s memory' 'syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0) >= 0'
refused 'a socket' 'socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0'
refused 'sleeping' 'usleep(1000) == 0'
refused 'io_uring' 'syscall(425, 1, 0) >= 0'
refused 'a name space' 'syscall(SYS_unshare, 0x10000000) == 0'
refused 'larger limits' 'syscall(SYS_prlimit64, 0, 0, 0, 0) == 0'
loaded 'a lock that is never free' 'crashed: Aborted' 'static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; pthread_mutex_lock(&m); pthread_mutex_lock(&m);'
# Where the host has a second uid or user namespaces, the grader's files are not there.
if [ "$(id -u)" = 0 ] || unshare -U true 2>/dev/null; then
    refused 'reading a file' 'open("'"$work"'/secret", O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0'
    refused 'the grader'"'"'s memory' 'open("/proc/self/mem", O_RDONLY) >= 0 || open("/proc/self/maps", O_RDONLY) >= 0 || open("/proc", O_RDONLY) >= 0'
fi
if [ "$(id -u)" = 0 ]; then
    {
        echo "#include \"$work/secret\""
        cat "$tree/labs/03-interpret/starter/interpret.c"
    } >hostile/interpret.c
    judge '#include of a file' 'Permission denied'
    {
        cat "$tree/labs/03-interpret/starter/interpret.c"
        echo "__asm__(\".incbin \\\"$work/secret\\\"\");"
    } >hostile/interpret.c
    judge '.incbin of a file' 'file not found'
fi
loaded 'the library'"'"'s functions' 'The file calls vmm_create' 'struct vmm_error e; vmm_create(0, &e);'
loaded 'dlsym' 'The file calls dlsym' 'extern void *dlsym(void *, const char *); if (dlsym(0, "vmm_run")) abort();'
{
    sed '/outcome hlt(/,/^}/s/return missing();/return (struct vmm_outcome){.kind = VMM_OUTCOME_STANDARD};/' \
        "$tree/labs/03-interpret/starter/interpret.c"
} >hostile/interpret.c
judge 'the library'"'"'s own routine' 'Module missing'
# Names of the grader's own functions, for the linker to prefer.
{
    sed 's/return (struct vmm_outcome){.kind = VMM_OUTCOME_IDLE};/return done();/' "$solution"
    for name in vmm_run vmm_digest vmm_registers write strcmp sandbox_enter lab_install; do
        echo "long own_$name(void) __asm__(\"$name\"); long own_$name(void) { return 0; }"
    done
} >hostile/interpret.c
judge 'the grader'"'"'s names' 'Instruction 4 of the guest'
cat >hostile/interpret.c <<'END'
this is no C;
END
judge 'no C' 'error'
cat >hostile/interpret.c <<'END'
#include "interpret.c"
END
judge 'an endless #include' 'error'
cat >hostile/interpret.c <<'END'
char big[1ul << 40] = {1};
END
judge 'an enormous array' 'error'
cat >hostile/interpret.c <<'END'
int x;
END
judge 'no modules' 'what the file has to define is missing'
cat >hostile/interpret.c <<'END'
#include "lab.h"
static struct vmm_outcome f(void *c, struct vmm_call *call) { (void)c; (void)call; return (struct vmm_outcome){0}; }
const struct lab_module lab_modules[] = {{"interpreter.fly", .routine = f}, {.slot = NULL}};
END
judge 'a slot that is none' 'a name in lab_modules is no module'
cat >hostile/interpret.c <<'END'
#include "lab.h"
static struct vmm_outcome f(void *c, struct vmm_call *call) { (void)c; (void)call; return (struct vmm_outcome){.kind = 999}; }
const struct lab_module lab_modules[] = {{"interpreter.hlt", .routine = f}, {"interpreter.cli", .routine = f}, {.slot = NULL}};
END
judge 'nonsense as an outcome' 'misbehaved'
# A guest without an end is cut off after its budget, on both sides.
printf '/* name: endless\n * points: 1\n * hint: none */\n#include "guest.inc"\nbegin:\n    inc %%eax\n    jmp begin\n' >one/06-hlt.S
cp "$solution" hostile/interpret.c
grade || fail 'a guest without an end'

# ---- a translator, which is asked again and again ----

lab=7
rm one/*
cp "$tree/labs/07-translate/tests/21-next.S" "$tree/labs/07-translate/tests/guest.inc" one
solution=$tree/labs/solutions/07-translate/translate.c
translator() { # NAME WORDS SED-SCRIPT, of the reference
    { echo "$includes" && sed "$3" "$solution"; } >hostile/translate.c
    cmp -s "$solution" hostile/translate.c && fail "$1 is the reference"
    judge "$1" "$2"
}
cp "$solution" hostile/translate.c
grade || fail "the translator of lab 7: $(cat result.json)"
begin='/^static enum vmm_translate_end translate/,/^}/s/uint32_t at = code->address;'
translator 'exit(0) while it translates' 'ended the process itself, with status 0' "$begin/&exit(0);/"
translator 'a crash while it translates' 'crashed: Segmentation fault' "$begin/&*(volatile int *)8 = 1;/"
translator 'an endless translation' 'never returns' "$begin/&for (volatile int i = 0;; i++);/"
translator 'a draft beyond its end' 'crashed' "$begin/&for (int i = 0; i < 4000; i++) draft->op[i].length = 77;/"
translator 'a great many instructions' '4294967295 instructions' "$begin/&draft->count = UINT32_MAX; return VMM_TRANSLATED;/"
translator 'lengths at random' 'misbehaved' "s/at += insn.length;/op->length = (uint8_t)rand(); &/"
translator 'the library'"'"'s own translator' 'Module missing' "s/return VMM_TRANSLATED;/return VMM_TRANSLATE_STANDARD;/"
translator 'the library'"'"'s plan' 'The file calls translator_standard, which is neither' \
    "s/^static bool ends_unit(/extern const struct vmm_translator translator_standard;\n&/;$begin/&if (translator_standard.link) return VMM_TRANSLATED;/"
translator 'a jump into the monitor' 'Instruction' "s/op->target = behind + insn->immediate;/op->target = 0xffc00000;/"
translator 'exits that there are not' 'misbehaved' "s/vmm_exits_cut(to_cut, exit);/vmm_exits_cut(to_cut, exit + 70000);/"
translator 'a crash while it unlinks' 'crashed: Segmentation fault' "s/vmm_exits_cut(to_cut, exit);/vmm_exits_cut((void *)to_cut + 4096, exit);/"
translator 'forged states' 'channel itself' "$begin/&char fake[4096]; memset(fake, 1, sizeof fake); if (write(3, fake, sizeof fake) < 0) abort();/"
translator 'no answer but exit' 'ended the process itself, with status 0' '/^static bool stale/,/^}/s/(void)context;/exit(0);/'

# ---- hardware assist: what is in the VMCB and in the nested tables ----

lab=9
solution=$tree/labs/solutions/09-hardware/hardware.c
rm one/* hostile/*
cp "$tree/labs/09-hardware/tests/01-memory.S" "$tree/labs/09-hardware/tests/guest.inc" one
hardware() { # NAME WORDS SED-SCRIPT, of the reference
    { echo "$includes" && sed "$3" "$solution"; } >hostile/hardware.c
    cmp -s "$solution" hostile/hardware.c && fail "$1 is the reference"
    judge "$1" "$2"
}
cp "$solution" hostile/hardware.c
grade || fail "hardware assist: $(cat result.json)"
fill='/^static struct vmm_nested_answer fill/,/^}/s/(void)context;'
handle='/^static enum vmm_exit_end handle/,/^}/s/(void)context;'
window='/^static uint64_t window/,/^}/s/(void)context;'
hardware "another page's frame in the nested table" 'Instruction' 's/answer.table_entry = fault->frame | rights;/answer.table_entry = (fault->frame ^ 0x1000) | rights;/'
hardware "the monitor's frame in the nested table" 'misbehaved: it mapped' 's/answer.table_entry = fault->frame | rights;/answer.table_entry = 0x1000 | rights;/'
hardware 'a nested table at a frame of the guest' 'misbehaved: it led' 's/fault->new_table | EVERYTHING/fault->frame | EVERYTHING/'
hardware 'a table that the guest may write' 'misbehaved' 's/answer.table_entry = fault->frame | rights;/answer.table_entry = (fault->directory_entry ? fault->directory_entry : fault->new_table) | EVERYTHING;/'
hardware 'all of memory as one large page' 'misbehaved' "$fill/&return (struct vmm_nested_answer){VMM_FILL_MAP, 0x87, 0x87};/"
hardware 'a nested fault for ever' 'Instruction' "$fill/&return (struct vmm_nested_answer){VMM_FILL_MAP, fault->directory_entry, fault->table_entry};/"
hardware 'an exit handler that never returns' 'never returns' "$handle/&for (volatile int i = 0;; i++);/"
hardware 'an exit handler that leaves the VMM' 'ended the process itself, with status 0' "$handle/&_exit(0);/"
hardware 'an exit handler that jumps out' 'The file calls no_such_way_out, which is neither' "$handle/&extern void vmm_longjmp(void *, int) __asm__(\"no_such_way_out\"); vmm_longjmp(exit, 1);/"
hardware 'an event that VMRUN refuses' 'misbehaved' "$handle/&exit->event = UINT64_MAX; return VMM_EXIT_INJECT;/"
hardware 'an end that there is not' 'misbehaved: it came to end 77' "$handle/&return (enum vmm_exit_end)77;/"
hardware "the library's own exit handler" 'Module missing' "$handle/&return VMM_EXIT_STANDARD;/"
hardware "the library's own nested entries" 'Module missing' "$fill/&return (struct vmm_nested_answer){.kind = VMM_FILL_STANDARD};/"
hardware 'an exit that was never taken' 'never returns' "$handle/&exit->code = VMM_EXIT_CPUID; exit->length = 2; return cpuid(exit);/"
hardware 'a port instead of a page' 'misbehaved' "$handle/&exit->code = VMM_EXIT_IOIO; exit->port = (struct vmm_port_access){.port = 0xf4, .size = 1, .value = 0}; return VMM_EXIT_IO;/"
hardware 'registers of another ring' 'Instruction' "$handle/&exit->registers.cpl = 0; exit->registers.cr0 = 0xffffffff; exit->registers.eip = 0xffc00000; return VMM_EXIT_RESUME;/"
hardware 'an exit beyond its end' 'crashed' "$handle/&memset(exit, 0xff, 64 << 20);/"
hardware 'forged exits' 'channel itself' "$handle/&char fake[4096]; memset(fake, 1, sizeof fake); if (write(3, fake, sizeof fake) < 0) abort();/"
hardware 'a question that exits' 'ended the process itself, with status 0' '/^static bool intercept/,/^}/s/(void)context;/exit(0);/'
# The window is asked for when an interrupt waits.
rm one/*
cp "$tree/labs/09-hardware/tests/22-kernel.S" one
hardware "the host's interrupts under the guest's mask" 'misbehaved: it cleared V_INTR_MASKING' "$window/&return VMM_V_IRQ;/"
hardware 'a V_INTR at random' 'misbehaved: it wrote' "$window/&return UINT64_MAX;/"
echo "$count hostile submissions"
exit $bad
