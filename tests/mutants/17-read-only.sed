# file: allocator/shadow.c
# property: equivalence
# mistake: the guest's read-only pages are writable
s|    uint32_t rights = entry & RIGHTS;|    uint32_t rights = (entry \& RIGHTS) \| X86_PTE_RW;|
