# file: allocator/shadow.c
# property: resource control
# mistake: a page table in use is mapped writable
s|^    if (shadow->traces\[page\]) {|    if (shadow->traces[page] \&\& page == 0) {|
