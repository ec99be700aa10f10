/* name: a kernel with processes
 * points: 5
 * hint: everything at once: system calls, the timer, page faults of copy on write and of programs that are killed
 */
    .incbin "kernel-virt.elf"
