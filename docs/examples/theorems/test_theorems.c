/* What a course asserts about virtualizability, in a test suite of its own.
 *
 * Each assertion is an experiment: the instruction is executed in pairs of states, the machine's
 * states are all tried. Popek and Goldberg, CACM 17(7), 1974; Robin and Irvine, USENIX Security
 * 2000. */
#include <vmm/criterion.h>

Test(theorems, x86_cannot_be_virtualized_classically)
{
    vmm_expect_privileged("x86-32", "lgdt");
    vmm_expect_conditionally_privileged("x86-32", "cli");
    vmm_expect_violates_theorem_1("x86-32", "popf");
    vmm_expect_sensitive("x86-32", "sidt");
    vmm_expect_user_sensitive("x86-32", "0f010b"); /* the same by its encoding */
    vmm_expect_innocuous("x86-32", "add");
    vmm_expect_theorem_fails(1, "x86-32", "popf");
    vmm_expect_theorem_fails(3, "x86-32", "sidt");
}

Test(theorems, riscv_can)
{
    vmm_expect_theorem_holds(1, "riscv64");
    vmm_expect_theorem_holds(3, "riscv64");
}

Test(theorems, the_pdp10_has_a_hybrid_monitor_only)
{
    vmm_expect_machine_fails(1, "pdp10", "jrst1");
    vmm_expect_machine_holds(3, "pdp10");
}

Test(theorems, so_has_our_own_machine)
{
    vmm_expect_machine_fails(1, "jump_down.machine", "down");
    vmm_expect_machine_holds(3, "jump_down.machine");
}
