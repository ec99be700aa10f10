#!/bin/sh
# The example project in docs/examples/theorems builds against an installed copy, alone in
# a folder of its own, and its assertions hold; each of them fails when it is told a wrong
# thing.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${VMM_BUILD:-$PWD/build}
case $build in
*/build) ;;
*)
    echo 'skipped: only the plain build is installed, not a sanitizer or coverage variant'
    exit 77
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s install prefix="$work/prefix" DESTDIR= >"$work/log" 2>&1 || {
    cat "$work/log"
    exit 1
}
cp -r docs/examples/theorems "$work/project" || exit 1
cd "$work/project" || exit 1
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$work/prefix/lib"
unset MAKEFLAGS MAKELEVEL

make -s check CFLAGS='-O1 -Wall -Wextra -Werror' >"$work/log" 2>&1 || {
    echo 'the example fails:'
    cat "$work/log"
    exit 1
}
grep -q 'Passing: 4 ' "$work/log" || {
    echo 'not all four tests of the example ran:'
    cat "$work/log"
    exit 1
}

# Every assertion with something untrue, and the machine with its mistake mended.
bad=0
cat >test_theorems.c <<'WRONG'
#include <vmm/criterion.h>
Test(wrong, privileged) { vmm_assert_privileged("x86-32", "popf"); }
Test(wrong, conditionally) { vmm_assert_conditionally_privileged("x86-32", "lgdt"); }
Test(wrong, violates) { vmm_assert_violates_theorem_1("x86-32", "lgdt"); }
Test(wrong, sensitive) { vmm_assert_sensitive("x86-32", "nop"); }
Test(wrong, user_sensitive) { vmm_assert_user_sensitive("x86-32", "popf"); }
Test(wrong, innocuous) { vmm_assert_innocuous("x86-32", "sidt"); }
Test(wrong, holds) { vmm_assert_theorem_holds(1, "m68000"); }
Test(wrong, fails) { vmm_assert_theorem_fails(1, "riscv32", "ecall"); }
Test(wrong, counterexample) { vmm_assert_theorem_fails(1, "m68000", "add"); }
Test(wrong, unknown) { vmm_assert_sensitive("x86-32", "frobnicate"); }
Test(wrong, no_machine) { vmm_assert_machine_holds(1, "no such file"); }
Test(wrong, machine_holds) { vmm_assert_machine_holds(1, "store_base"); }
Test(wrong, mended) { vmm_assert_machine_fails(1, "jump_down.machine", "down"); }
WRONG
sed -i '/^instruction down/a\    when m = u: trap' jump_down.machine
make -s check >"$work/log" 2>&1 && {
    echo 'assertions of untrue things pass'
    bad=1
}
grep -q 'Tested: 13 | Passing: 0 | Failing: 13 | Crashing: 0' "$work/log" || {
    echo 'not every untrue assertion fails:'
    cat "$work/log"
    bad=1
}
grep -qF 'sidt [ebx] (0f010b) on x86, 32-bit protected mode' "$work/log" || {
    echo 'a failed assertion does not say what was found instead'
    bad=1
}
exit $bad
