/* Shows what the manual says where QEMU 7.2's TCG does otherwise: each line's expectation comes
 * from the text named in DEVIATIONS.md, and expected/manual.txt was not made by QEMU. Exit code 0.
 */
#include "cpu.h"

enum {
    SPARE = FREE_SELECTOR,
    CODE1 = FREE_SELECTOR + 8,
    DATA1 = FREE_SELECTOR + 16,
};

PROBE(icebp, ".byte 0xf1");
PROBE(lock_mov, ".byte 0xf0, 0xa3, 0, 0, 0, 0");
PROBE(ltr_null, "ltr %ax");
PROBE(undefined, "ud2");
PROBE(int40, "int $0x40");
PROBE(iret_ss,
      "pushl $0x33; pushl $user_stack + 2048; pushl $2; pushl $0x1b; pushl $1f; iretl; 1:");
PROBE(pg_without_pe, "movl $0x80000000, %eax; movl %eax, %cr0");
PROBE(nw_without_cd, "movl $0x20000011, %eax; movl %eax, %cr0");
PROBE(cr4_reserved, "movl $0x80000000, %eax; movl %eax, %cr4");

static void probe(const char *name, const void *code, unsigned ring)
{
    attempt(code, ring, 0);
    report(name, code);
}

/* A page-directory entry with a reserved bit (SDM 3, 4.7): RSVD only together with P. */
PROBE(read_reserved, "movl 0x40000000, %eax");

static void reserved_bit(void)
{
    static uint32_t directory[1024] __attribute__((aligned(4096)));
    directory[0] = 0x87; /* 4 MB, present, writable, user */
    directory[0x40000000u >> 22] = 0x87 | 1 << 21;
    write_cr4(read_cr4() | 1 << 4);
    write_cr3((uint32_t)directory);
    write_cr0(read_cr0() | 1u << 31);
    probe("4 MB page, reserved bit 21", probe_read_reserved, 3);
    write_cr0(read_cr0() & ~(1u << 31));
}

int main(void)
{
    cpu_init();
    probe("icebp, ring 0", probe_icebp, 0);
    probe("icebp, ring 3", probe_icebp, 3);
    probe("lock mov", probe_lock_mov, 3);
    probe("ltr: null", probe_ltr_null, 0);
    /* Where TR was loaded with null: the next ring change needs it back. */
    set_system(TSS_SELECTOR, (uint32_t)&tss, sizeof tss - 1, PRESENT | TSS_AVAILABLE);
    asm volatile("ltr %w0" ::"r"(TSS_SELECTOR));

    /* EXT: the fault arose in delivering an exception, not INT n (SDM 3, 6.13). */
    idt[6] = gate(KERNEL_CODE, stub_of(6), INTERRUPT_GATE, 0);
    probe("#UD, gate not present: EXT", probe_undefined, 3);
    idt[6] = gate(USER_DATA, stub_of(6), PRESENT | INTERRUPT_GATE, 0);
    probe("#UD, gate to data: EXT", probe_undefined, 3);
    idt[6] = gate(KERNEL_CODE, stub_of(6), PRESENT | INTERRUPT_GATE, 0);

    set_segment(CODE1, 0, 0xFFFFF, PRESENT | DPL_1 | CODE);
    set_segment(DATA1, 0, 0xFFFFF, DPL_1 | DATA);
    idt[0x40] = gate(CODE1, stub_of(0x40), PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    tss.ss1 = DATA1 | 1;
    tss.esp1 = (uint32_t)trap_stack + 4096;
    probe("stack switch: SS1 not present", probe_int40, 3);
    set_segment(SPARE, 0, 0xFFFFF, DPL_3 | DATA);
    probe("iret: ss not present", probe_iret_ss, 0);

    uint8_t *code = (uint8_t *)0x8000;
    asm("" : "+r"(code));
    code[0] = 0xCD, code[1] = 0x40;
    attempt_v86(0x800, 0, FLAG_IOPL3);
    print("v86, int to ring 1: vec=%02x err=%04x ip=%u cs=%04x\n", trapped.vector, trapped.error,
          trapped.eip & 0xFFFF, trapped.cs);

    attempt(probe_undefined, 3, 0);
    print("RF in the flags of a fault: %u\n", trapped.eflags >> 16 & 1);
    attempt(probe_int40, 0, 0);
    idt[0x40] = gate(KERNEL_CODE, stub_of(0x40), PRESENT | DPL_3 | INTERRUPT_GATE, 0);
    attempt(probe_int40, 3, 0);
    print("RF in the flags of INT n: %u\n", trapped.eflags >> 16 & 1);

    reserved_bit();
    probe("cr4: reserved bit", probe_cr4_reserved, 0);
    probe("cr0: NW without CD", probe_nw_without_cd, 0);
    write_cr0(0x11);
    probe("cr0: PG without PE", probe_pg_without_pe, 0);
    return 0;
}
