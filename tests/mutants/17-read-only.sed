# file: allocator/shadow_rights.c
# property: equivalence
# mistake: the guest's read-only pages are writable
s/uint32_t rights = entry & SHADOW_RIGHTS;/uint32_t rights = (entry \& SHADOW_RIGHTS) | X86_PTE_RW;/
