# file: allocator/shadow.c
# property: equivalence
# mistake: the first write to a page does not set its dirty bit
s/unsigned access = X86_ACCESS_MARK | (error_code/unsigned access = (error_code \& X86_PAGE_WRITE ? 0 : X86_ACCESS_MARK) | (error_code/
