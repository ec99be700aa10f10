/* The library's own entries of nested page tables (AMD APM volume 2, section 15.25). See nested.h.
 */
#include "nested_entry.h"

#include "arch/x86/walk.h"

/* U/S is always set: the guest's accesses count as user accesses, whatever ring they come from. */
#define EVERYTHING ((uint32_t)(X86_PTE_P | X86_PTE_RW | X86_PTE_US))

/* While writes are logged a page becomes writable with the first of them. */
enum nested_kind nested_compose(void *context, const struct nested_question *question,
                                struct nested_answer *answer)
{
    bool write = question->error & X86_PTE_RW;
    uint32_t rights = question->log && !write ? EVERYTHING & ~(uint32_t)X86_PTE_RW : EVERYTHING;
    (void)context;
    answer->pde = question->pde & X86_PTE_P ? question->pde : question->table | EVERYTHING;
    if (question->frame == FRAMES_NONE)
        return NESTED_NOTHING;
    answer->pte = (question->pte & X86_PTE_P ? question->pte : question->frame) | rights;
    return NESTED_MAP;
}
