/* The rights of shadow entries. See shadow_rights.h. */
#include "shadow_rights.h"

#include "arch/x86/walk.h"

uint32_t shadow_leaf_rights(uint32_t entry)
{
    uint32_t rights = entry & SHADOW_RIGHTS;

    if (!(entry & X86_PTE_P) || !(entry & X86_PTE_A)) {
        return 0;
    }
    return entry & X86_PTE_D ? rights : rights & ~(uint32_t)X86_PTE_RW;
}

uint32_t shadow_directory_rights(uint32_t pde, bool large)
{
    if (large) {
        return pde & X86_PDE_LARGE_RESERVED ? 0 : shadow_leaf_rights(pde);
    }
    return pde & X86_PTE_P && pde & X86_PTE_A ? pde & SHADOW_RIGHTS : 0;
}
