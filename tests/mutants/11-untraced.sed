# file: allocator/shadow.c
# property: resource control
# mistake: a page table in use is mapped writable
s/bool traced = shadow->traces\[page_number(shadow, walk->physical)\];/bool traced = false;/
