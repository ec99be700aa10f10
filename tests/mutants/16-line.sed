# file: libvmm/vm/vm.c
# property: resource control
# mistake: the timer interrupts a guest to which its line was not given
s|lines\[\] = {0, 1, 2, 4, 8};|lines[] = {1, 2, 4, 8};|
