# file: allocator/shadow.c
# property: equivalence
# mistake: the first write to a page does not set its dirty bit
s/linear, access | X86_ACCESS_MARK, &walk/linear, access \& X86_ACCESS_WRITE ? access : access | X86_ACCESS_MARK, \&walk/
