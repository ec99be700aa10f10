/* Trap-and-emulate with the holes closed (VirtualBox's PATM; "in-place patching"): the guest's
 * supervisor code runs directly, without its privileges, and those of its sensitive instructions
 * that would not trap are rewritten before they are executed for the first time, so that they do.
 *
 *     privileged instruction            traps ------\
 *     sensitive, unprivileged    ->  INT3, traps ----> dispatcher -> its interpreter routine
 *     any other                         runs directly
 *
 * How the code is rewritten without the guest's noticing is machine/patches.h. User code stays as
 * it is, as it did under PATM: what is silent there, SIDT and its kin, still shows the VMM, which
 * is found and reported as under trap-and-emulate (silent.h). */
#include "direct.h"
#include "vcpu.h"

/* Virtual ring 0 to 2, or virtual real mode, whose stand-in is virtual-8086 mode. What is executed
 * in the guest's own virtual-8086 mode is user code. */
static bool patch_patches(struct dispatcher *d, const struct cpu_state *real,
                          const struct x86_instruction *insn)
{
    (void)insn;
    return real->cpl < 3 || !(d->guest->cr0 & X86_CR0_PE);
}

/* LAR, LSL, VERR and VERW are patched, so that the guest's supervisor only loads from its
 * descriptor tables. */
static bool patch_create(struct dispatcher *d, const struct technique_options *options)
{
    (void)options;
    d->vcpu->lets_go = true;
    return true;
}

const struct technique technique_patch = {
    .name = "patch",
    .virtualizes = true,
    .tells_control = true,
    .create = patch_create,
    .exit = direct_exit,
    .wants = direct_wants,
    .reads_time = direct_reads_time,
    .patches = patch_patches,
    .enabled = direct_enabled,
    .interruptible = direct_interruptible,
    .window = direct_window,
    .interrupt = direct_interrupt,
    .stopped = direct_stopped,
    .modified = direct_modified,
    .walk = direct_walk,
    .interpreter = direct_interpreter,
};
