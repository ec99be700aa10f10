# file: allocator/descriptors.c
# property: resource control
# mistake: the guest's kernel can write to its shadow GDT
s/= frame | X86_PTE_P | X86_PTE_A;/= frame | X86_PTE_P | X86_PTE_A | X86_PTE_RW;/
