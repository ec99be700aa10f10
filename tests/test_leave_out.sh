#!/bin/sh
# A library built without some of its interpreter routines: they are not in it, static or shared, all
# others are; their slots are empty, so that a guest stops where it needs one, with a sentence; and a
# program can fill the slot with a routine of its own.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
case $build in
*/build) ;;
*)
    echo 'skipped: a sanitizer or coverage variant is not built without a module'
    exit 77
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
    echo "$*"
    bad=1
}
run_make() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u LEAVE_OUT make -s -j1 BUILD="$work/build" "$@" \
        >"$work/log" 2>&1
}

# What is built already is the same in both: only the table is compiled anew.
mkdir "$work/build"
cp -p "$build/config.mk" "$build/command" "$work/build"
for folder in libvmm dispatcher allocator interpreter; do
    (cd "$build" && find $folder -name '*.o' -exec cp -p --parents -t "$work/build" {} +)
done
library=$work/build/libvmm
left_out='interpreter/routines/port.c interpreter/routines/msr.c'
run_make LEAVE_OUT="$left_out dispatcher/assist.c allocator/nested_entry.c" \
    "$library.a" "$library.so" || {
    cat "$work/log"
    exit 1
}

names=$(nm "$library.a" 2>/dev/null)
for name in routine_port routine_port_string routine_rdmsr routine_cpuid assist_standard nested_compose; do
    echo "$names" | grep -qw "$name" && fail "libvmm.a has, or wants, $name"
done
for name in routine_cli decision_standard routine_mov_to_cr routine_hlt routine_iret routine_lgdt; do
    echo "$names" | grep -q " [TD] $name\$" || fail "libvmm.a has lost $name"
done
nm -D "$library.so" | grep -w routine_port && fail 'libvmm.so wants routine_port'
nm "$build/libvmm.a" 2>/dev/null | grep -q ' T routine_port$' || fail 'the plain library lacks routine_port'

cat >"$work/user.c" <<'END'
#include <stdio.h>
#include <string.h>
#include <vmm/vmm.h>

static struct vmm_outcome out_imm(void *context, struct vmm_call *call)
{
    (void)context;
    return (struct vmm_outcome){.kind = VMM_OUTCOME_PORT,
                                .port = {.port = call->instruction.immediate & 0xff,
                                         .size = call->instruction.width,
                                         .value = call->registers.gpr[0]}};
}

int main(int argc, char **argv)
{
    /* cli; mov al,3; out 0xf4,al */
    static const uint8_t guest[] = {0xfa, 0xb0, 3, 0xe6, 0xf4};
    struct vmm_error error;
    const struct vmm_config config = {.technique = argv[1], .memory_size = 4 << 20};
    const struct vmm_image image = {.kind = "flat@0x100000", .file = {"guest", guest, sizeof guest}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    if (!vm || vmm_load(vm, &image, &error) != VMM_OK)
        return puts(error.text), 1;
    if (vmm_module_state(vm, "interpreter.out") != VMM_MODULE_MISSING ||
        vmm_module_state(vm, "interpreter.cli") != VMM_MODULE_STANDARD ||
        vmm_module_restore(vm, "interpreter.out", &error) != VMM_E_UNSUPPORTED)
        return puts("the slots are not as they should be"), 1;
    if (argc > 2)
        vmm_module_replace(vm, "interpreter.out", out_imm, 0, &error);
    vmm_run(vm, 1000);
    puts(vmm_stop_text(vm));
    vmm_destroy(vm);
    return 0;
}
END
# shellcheck disable=SC2086 # words
libraries=$(sed -n 's/^ENGINE_LIBS *:*= *//p' "$build/config.mk")
cc -o "$work/static" "$work/user.c" -Ilibvmm/include "$library.a" $libraries -ljansson -lzstd \
    -lpthread -lm || fail 'a program does not link with the static library'
cc -o "$work/shared" "$work/user.c" -Ilibvmm/include "$library.so" ||
    fail 'a program does not link with the shared library'
missing='Module missing: this virtual machine has no interpreter routine for out, at 0x00100003'
ended='The guest ended with exit code 3'
for program in static shared; do
    for technique in trap interp; do
        text=$(LD_LIBRARY_PATH="$work/build" "$work/$program" $technique)
        case $text in "$missing"*) ;; *) fail "$program $technique: $text" ;; esac
        text=$(LD_LIBRARY_PATH="$work/build" "$work/$program" $technique fill)
        case $text in "$ended"*) ;; *) fail "$program $technique, filled: $text" ;; esac
    done
done

run_make LEAVE_OUT=interpreter/routines/castle.c "$library.a" && fail 'a file that does not exist is left out'
grep -q 'castle' "$work/log" || fail 'the file that does not exist is not named'
exit $bad
