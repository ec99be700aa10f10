/* Lab 6, the reference: which page faults are hidden and which are the guest's, and what a shadow
 * page-table entry may allow, so that the guest sees its own tables with the accessed and dirty bits
 * that the manual promises (Intel SDM volume 3, sections 4.6 to 4.8; Adams and Agesen, ASPLOS 2006,
 * section 2.3). */
#include "lab.h"

enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40 };
enum { FAULT_P = 1, FAULT_WRITE = 2, FAULT_USER = 4 };
#define RIGHTS ((uint32_t)(P | RW | US))

/* What the shadow of an entry that maps a page may allow: nothing before the guest's A is set, no
 * write before D is, so that the first access and the first write come to us. */
static uint32_t page_rights(uint32_t entry)
{
    uint32_t rights = entry & RIGHTS;
    if (!(entry & P) || !(entry & A))
        return 0;
    return entry & D ? rights : rights & ~(uint32_t)RW;
}

static uint32_t table_rights(uint32_t entry)
{
    return entry & P && entry & A ? entry & RIGHTS : 0;
}

static uint32_t rights_of(uint32_t entry, bool directory, bool large)
{
    return directory && !large ? table_rights(entry) : page_rights(entry);
}

static bool allowed(const struct vmm_shadow_fault *fault, uint32_t rights)
{
    bool write = fault->error_code & FAULT_WRITE, user = fault->error_code & FAULT_USER;
    if (user && !(rights & US))
        return false;
    return !write || rights & RW || (!user && !fault->write_protect);
}

/* The access is allowed. Entries on the way are made to let it through. */
static struct vmm_shadow_answer fill(const struct vmm_shadow_fault *fault,
                                     struct vmm_shadow_answer answer)
{
    bool write = fault->error_code & FAULT_WRITE;
    uint32_t *page = fault->large ? &answer.directory_entry : &answer.table_entry;
    *page |= A;
    if (write)
        *page |= D;
    answer.kind = VMM_SHADOW_HIDDEN;
    answer.directory_rights = rights_of(answer.directory_entry, true, fault->large);
    answer.table_rights = fault->large ? RIGHTS : page_rights(answer.table_entry);
    /* The kernel writes to a read-only page with WP = 0: to the processor, whose WP is 1, the page
     * is writable now, and closed to the user until he comes and it is filled in anew. */
    if (write && !(answer.directory_rights & RW))
        answer.directory_rights = P | RW;
    if (write && !(answer.table_rights & RW))
        answer.table_rights = P | RW;
    if (fault->traced) {
        answer.table_rights &= ~(uint32_t)RW;
        if (write)
            answer.kind = VMM_SHADOW_TRACE;
    }
    return answer;
}

static struct vmm_shadow_answer ask(void *context, const struct vmm_shadow_fault *fault)
{
    struct vmm_shadow_answer answer = {
        .kind = VMM_SHADOW_TRUE,
        .error_code = fault->error_code & (FAULT_WRITE | FAULT_USER),
        .directory_entry = fault->directory_entry,
        .table_entry = fault->table_entry,
    };
    uint32_t page = fault->large ? fault->directory_entry : fault->table_entry;
    (void)context;
    if (!(fault->directory_entry & P))
        return answer;
    if (!fault->large)
        answer.directory_entry |= A; /* the processor has used it, whatever comes of the rest */
    if (!(page & P))
        return answer;
    answer.error_code |= FAULT_P;
    return allowed(fault, fault->directory_entry & page) ? fill(fault, answer) : answer;
}

/* A write to a guest's entry takes rights back at once; it never gives any. */
static uint32_t keep(void *context, const struct vmm_shadow_change *change)
{
    uint32_t now = rights_of(change->entry, change->directory, change->large);
    (void)context;
    return change->moved ? 0 : change->rights & now;
}

const struct lab_module lab_modules[] = {
    {"allocator.shadow", .ask = ask, .keep = keep},
    {NULL},
};
