/* Between the shadow page tables and a policy from outside: what a page fault is, and what a shadow
 * entry allows, is somebody else's decision; to which frame it leads is not, so that no policy
 * gives a guest what the allocator did not (Popek and Goldberg 1974: resource control). A decision
 * that no processor could live with, such as an access called allowed that the entries still
 * refuse, stops the guest. */
#include <stdarg.h>
#include <stdio.h>

#include "arch/x86/walk.h"
#include "module.h"
#include "vm.h"

#define RIGHTS ((uint32_t)(X86_PTE_P | X86_PTE_RW | X86_PTE_US))
#define MARKS  ((uint32_t)(X86_PTE_A | X86_PTE_D))

static void __attribute__((format(printf, 2, 3)))
refuse(const struct modules *modules, const char *format, ...)
{
    char reason[160];
    va_list arguments;
    int used = snprintf(reason, sizeof reason, "Module allocator.shadow misbehaved: it ");
    va_start(arguments, format);
    vsnprintf(reason + used, sizeof reason - (size_t)used, format, arguments);
    va_end(arguments);
    dispatcher_refuse(modules->dispatcher, reason);
}

/* ---- what a fault is ---- */

/* Entries as the processor leaves them: nothing but A and D set, D where a page is mapped. */
static bool marks_are_possible(uint32_t before, uint32_t after, uint32_t marks)
{
    return (before & ~after) == 0 && (after & ~before & ~marks) == 0;
}

static bool entries_are_possible(const struct modules *modules,
                                 const struct vmm_shadow_fault *fault,
                                 const struct vmm_shadow_answer *answer)
{
    uint32_t marks = fault->large ? MARKS : X86_PTE_A;
    bool good = marks_are_possible(fault->directory_entry, answer->directory_entry, marks);
    uint32_t before = good ? fault->table_entry : fault->directory_entry;
    uint32_t after = good ? answer->table_entry : answer->directory_entry;
    if (good && marks_are_possible(before, after, MARKS))
        return true;
    refuse(modules, "changed the guest's entry 0x%08x to 0x%08x; the processor only sets A and D",
           before, after);
    return false;
}

/* Is the guest's page there? Then entries can be made for it. */
static bool fill_is_possible(const struct modules *modules, const struct vmm_shadow_fault *fault,
                             const struct vmm_shadow_answer *answer)
{
    uint32_t both = answer->directory_rights & answer->table_rights;
    uint32_t wanted = X86_PTE_P | (fault->error_code & X86_PAGE_USER ? X86_PTE_US : 0);
    bool write = fault->error_code & X86_PAGE_WRITE, trace = answer->kind == VMM_SHADOW_TRACE;
    if (!(fault->directory_entry & X86_PTE_P) || !(fault->large || fault->table_entry & X86_PTE_P))
        refuse(modules, "filled the shadow for 0x%08x, where the guest maps no page",
               fault->linear);
    else if ((answer->directory_rights | answer->table_rights) & ~RIGHTS)
        refuse(modules, "gave shadow entries the rights 0x%x and 0x%x; there are P, R/W and U/S",
               answer->directory_rights, answer->table_rights);
    else if (trace && !(fault->traced && write))
        refuse(modules, "traced an access to 0x%08x, which writes to no page table", fault->linear);
    else if (trace && (both & X86_PTE_RW))
        refuse(modules, "traced the page at 0x%08x and left it writable", fault->linear);
    else if (wanted & ~both || (write && !trace && !(both & X86_PTE_RW)))
        refuse(
            modules,
            "filled the shadow for 0x%08x with the rights 0x%x and 0x%x, which refuse the access "
            "(error code 0x%x) again",
            fault->linear, answer->directory_rights, answer->table_rights, fault->error_code);
    else
        return true;
    return false;
}

static struct shadow_verdict translate(const struct modules *modules,
                                       const struct vmm_shadow_fault *fault,
                                       const struct vmm_shadow_answer *answer)
{
    const struct shadow_verdict undecided = {.kind = SHADOW_UNDECIDED};
    struct shadow_verdict verdict = {.error_code = answer->error_code,
                                     .pde = answer->directory_entry,
                                     .pte = answer->table_entry,
                                     .upper = answer->directory_rights,
                                     .lower = answer->table_rights};
    if (!entries_are_possible(modules, fault, answer))
        return undecided;
    switch (answer->kind) {
    case VMM_SHADOW_TRUE:
        verdict.kind = SHADOW_TRUE;
        if (answer->error_code <= 7)
            return verdict;
        refuse(modules, "gave the guest a page fault with error code 0x%x", answer->error_code);
        return undecided;
    case VMM_SHADOW_HIDDEN: verdict.kind = SHADOW_HIDDEN; break;
    default: verdict.kind = SHADOW_TRACE; break;
    }
    return fill_is_possible(modules, fault, answer) ? verdict : undecided;
}

static struct shadow_verdict missing(void *context, const struct shadow_question *question)
{
    const struct modules *modules = context;
    (void)question;
    dispatcher_refuse(modules->dispatcher,
                      "Module missing: this virtual machine has no allocator.shadow");
    return (struct shadow_verdict){.kind = SHADOW_UNDECIDED};
}

static struct shadow_verdict ask(void *context, const struct shadow_question *question)
{
    const struct shadow_verdict undecided = {.kind = SHADOW_UNDECIDED},
                                standard = {.kind = SHADOW_OWN};
    const struct modules *modules = context;
    struct dispatch_modules own;
    const struct vmm_shadow_fault fault = {.linear = question->linear,
                                           .error_code = question->error_code,
                                           .directory_entry = question->pde,
                                           .table_entry = question->pte,
                                           .large = question->large,
                                           .write_protect = question->wp,
                                           .traced = question->traced};
    struct vmm_shadow_answer answer = modules->shadow_ask(modules->shadow_context, &fault);
    switch ((unsigned)answer.kind) {
    case VMM_SHADOW_TRUE:
    case VMM_SHADOW_HIDDEN:
    case VMM_SHADOW_TRACE: return translate(modules, &fault, &answer);
    case VMM_SHADOW_STANDARD:
        modules_init(&own);
        return own.shadow == SLOT_STANDARD ? standard : missing(context, question);
    case VMM_SHADOW_MISSING: return missing(context, question);
    default:
        refuse(modules, "called a page fault %u, and there is none of that kind",
               (unsigned)answer.kind);
        return undecided;
    }
}

static uint32_t keep(void *context, const struct shadow_change *change)
{
    const struct modules *modules = context;
    const struct vmm_shadow_change shown = {.entry = change->entry,
                                            .rights = change->rights,
                                            .directory = change->directory,
                                            .large = change->large,
                                            .moved = change->moved};
    uint32_t rights = modules->shadow_keep(modules->shadow_context, &shown);
    if ((rights & ~change->rights) == 0)
        return rights;
    refuse(modules, "kept the rights 0x%x of a shadow entry that has 0x%x", rights, change->rights);
    return 0;
}

/* ---- the slot ---- */

void module_use_shadow(struct modules *modules, struct vcpu *vcpu, enum slot slot)
{
    static const struct shadow_policy none = {0};
    modules->shadow_policy = none;
    modules->shadow_policy.context = modules;
    modules->shadow_policy.fault = slot == SLOT_EMPTY ? missing : ask;
    if (slot == SLOT_REPLACED && modules->shadow_keep)
        modules->shadow_policy.written = keep;
    shadow_set_policy(vcpu->shadow, slot == SLOT_STANDARD ? NULL : &modules->shadow_policy);
}
