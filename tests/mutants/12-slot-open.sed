# file: allocator/descriptors.c
# property: resource control
# mistake: user code can reach the VMM's own tables
s/= frame | X86_PTE_P | X86_PTE_A;/= frame | X86_PTE_P | X86_PTE_A | X86_PTE_US;/
