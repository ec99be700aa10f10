/* A supervisor for guests that examine the processor: a flat GDT, an IDT with a stub for every
 * vector, a TSS, and `attempt`, which runs a few instructions at a given ring and reports by which
 * vector control came back, and with what frame (Intel SDM volume 3, section 6.12). */
#ifndef CPU_H
#define CPU_H

#include "guest.h"

enum selector {
    KERNEL_CODE = 0x08,
    KERNEL_DATA = 0x10,
    USER_CODE = 0x18 | 3,
    USER_DATA = 0x20 | 3,
    TSS_SELECTOR = 0x28,
    FREE_SELECTOR = 0x30, /* from here on the guest's own */
    GDT_ENTRIES = 48
};

/* Descriptor types and attributes: the byte that holds P, DPL, S and type (SDM 3, 3.4.5). */
enum descriptor_access {
    PRESENT = 0x80,
    DPL_1 = 0x20,
    DPL_2 = 0x40,
    DPL_3 = 0x60,
    CODE = 0x1B, /* S, execute/read, accessed */
    CODE_EXECUTE_ONLY = 0x19,
    CODE_CONFORMING = 0x1F, /* S, execute/read, conforming, accessed */
    DATA = 0x13,            /* S, read/write, accessed */
    DATA_READ_ONLY = 0x11,
    LDT_TYPE = 0x02,
    TSS_AVAILABLE = 0x09,
    TSS_BUSY = 0x0B,
    CALL_GATE = 0x0C,
    TASK_GATE = 0x05,
    INTERRUPT_GATE = 0x0E,
    TRAP_GATE = 0x0F,
    INTERRUPT_GATE_16 = 0x06,
    TRAP_GATE_16 = 0x07
};

enum eflags {
    FLAG_TF = 1 << 8,
    FLAG_IF = 1 << 9,
    FLAG_DF = 1 << 10,
    FLAG_IOPL3 = 3 << 12,
    FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16,
    FLAG_VM = 1 << 17,
    FLAG_AC = 1 << 18
};

struct tss {
    uint32_t link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags;
    uint32_t eax, ecx, edx, ebx, esp, ebp, esi, edi;
    uint32_t es, cs, ss, ds, fs, gs, ldt;
    uint16_t trap, io_map;
    uint8_t io_bitmap[8192 + 1];
};

/* How control came back from an attempt. */
struct trapped {
    uint32_t vector, error;
    uint32_t eip, cs, eflags, esp, ss; /* as pushed; esp and ss only if the ring changed */
    uint32_t v86_es, v86_ds, v86_fs, v86_gs;
    uint32_t cr2, eax, ecx, edx, ebx, esi, edi, ebp;
    uint32_t ds, es, fs, gs;
    uint32_t handler_eflags, handler_cs, handler_ss;
    uint32_t depth; /* bytes that the processor pushed, if the ring changed; else below the start */
};

extern uint64_t gdt[GDT_ENTRIES];
extern uint64_t idt[256];
extern struct tss tss;
extern struct trapped trapped;
extern bool software_interrupt; /* the next trap is by INT n: no error code whatever the vector */
extern uint8_t user_stack[4096];
extern uint8_t trap_stack[8192]; /* TSS ring 0 */

/* Vector by which every attempt ends that raises nothing else. */
#define DONE_VECTOR 0x81u

/* Loads GDT, IDT (all vectors: interrupt gates, DPL 0; DONE: DPL 3) and TR. */
void cpu_init(void);

/* Descriptors. `selector` names the GDT slot. */
void set_segment(uint16_t selector, uint32_t base, uint32_t limit, uint8_t access);
void set_system(uint16_t selector, uint32_t base, uint32_t limit, uint8_t access); /* byte limit */
uint64_t gate(uint16_t selector, uint32_t offset, uint8_t access, uint8_t parameters);

/* The stub's address of a vector, for gates that the guest makes itself. */
uint32_t stub_of(uint8_t vector);

/* Runs `code` at `ring` (0 or 3) with `eflags` until it traps; the vector. Details in `trapped`. */
uint32_t attempt(const void *code, unsigned ring, uint32_t eflags);

/* Enters virtual-8086 mode at segment:offset until it traps; the vector. */
uint32_t attempt_v86(uint16_t segment, uint16_t offset, uint32_t eflags);

/* Prints one line: name, vector, error code, EIP relative to `code`, CS, EFLAGS, and SS if pushed.
 * RF, which QEMU's TCG does not set, and the arithmetic flags are masked. */
void report(const char *name, const void *code);

/* For handlers of the guest's own: gives control back to the attempt. */
extern char attempt_return[];

static inline uint32_t read_cr0(void)
{
    uint32_t value;
    asm volatile("movl %%cr0, %0" : "=r"(value));
    return value;
}

static inline void write_cr0(uint32_t value)
{
    asm volatile("movl %0, %%cr0" ::"r"(value) : "memory");
}

static inline uint32_t read_cr2(void)
{
    uint32_t value;
    asm volatile("movl %%cr2, %0" : "=r"(value));
    return value;
}

static inline void write_cr2(uint32_t value)
{
    asm volatile("movl %0, %%cr2" ::"r"(value));
}

static inline void write_cr3(uint32_t value)
{
    asm volatile("movl %0, %%cr3" ::"r"(value) : "memory");
}

static inline uint32_t read_cr4(void)
{
    uint32_t value;
    asm volatile("movl %%cr4, %0" : "=r"(value));
    return value;
}

static inline void write_cr4(uint32_t value)
{
    asm volatile("movl %0, %%cr4" ::"r"(value) : "memory");
}

static inline void invlpg(uint32_t address)
{
    asm volatile("invlpg (%0)" ::"r"(address) : "memory");
}

/* A few instructions that an attempt runs; they end by INT 0x81 unless something else traps. The
 * instruction that is the subject comes first where it can, so that a fault shows EIP +0. */
#define PROBE(id, text)                                                                            \
    extern const char probe_##id[];                                                                \
    asm(".pushsection .text.probes, \"ax\"\nprobe_" #id ":\n" text "\nint $0x81\n.popsection")

#endif
