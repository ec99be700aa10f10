/*
 * The smallest init for a real Linux kernel: one line on the console, then the restart
 * that ends the run. No C library, so that the initrd holds nothing but our own few
 * system calls (Linux, i386: int 0x80, number in EAX, arguments in EBX, ECX, EDX, ESI).
 */
#include <linux/reboot.h>

/* arch/x86/entry/syscalls/syscall_32.tbl: a 64-bit machine has no i386 <asm/unistd.h>. */
enum { NR_WRITE = 4, NR_PAUSE = 29, NR_REBOOT = 88 };

static long system_call(long number, long a, long b, long c, long d)
{
    long result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d)
                     : "memory");
    return result;
}

void _start(void)
{
    static const char line[] = "INIT-OK\n";

    system_call(NR_WRITE, 1, (long)line, sizeof line - 1, 0);
    system_call(NR_REBOOT, (long)LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART,
                0);
    for (;;) {
        system_call(NR_PAUSE, 0, 0, 0, 0);
    }
}
