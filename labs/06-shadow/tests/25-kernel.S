/* name: a kernel with processes
 * points: 5
 * hint: everything at once: copy on write, programs that are killed, memory that is given back
 */
    .incbin "kernel-virt.elf"
