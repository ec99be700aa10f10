/* name: a kernel with processes
 * points: 6
 * hint: everything at once: interrupts, system calls, copy on write; none of it is written for a VMM
 * counts: units, look-ups
 */
    .incbin "kernel.elf"
