/* Driving Unicorn 2.1.1. Three things are worth knowing before reading on:
 *
 * - VMRUN is executed once, in engine_open; from then on the engine is in guest mode, and each
 *   intercept is a call of on_interrupt with 0x100 + the exit code. In guest mode the engine also
 *   forgets, at each exit, the exception that it would otherwise take for half of a double fault.
 * - The state that the register interface does not give (the privilege level, hidden parts of
 *   segment registers, the error code) is patched in a saved block whose layout is calibrated.
 * - Arithmetic flags and DF have two homes: between runs EFLAGS is whole; while the engine runs
 * they are evaluated lazily, elsewhere, and EFLAGS has zeros there, to which the others are or'ed.
 * Only the register interface reaches them then. */
#include "engine.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

#include "arch/x86/memory.h"
#include "calibrate.h"
#include "divide.h"
#include "svm.h"

/* The firmware area, frame by frame. */
enum firmware {
    FIRMWARE_VMCB = 0x0000,
    FIRMWARE_HOST_SAVE = 0x1000,
    FIRMWARE_START = 0x2000, /* the VMRUN instruction */
    FIRMWARE_MSRPM = 0x6000, /* two frames: every MSR access exits */
    /* 0x3000 to 0x5fff and 0x8000 on: machine/nesting.c */
};

/* Of the task register's attributes. */
#define TSS_BUSY (1u << 9)

/* Bits of the engine's derived flags word. */
enum {
    HF_CPL = 3u << 0,
    HF_INHIBIT_IRQ = 1u << 3,
    HF_CS32 = 1u << 4,
    HF_SS32 = 1u << 5,
    HF_ADDSEG = 1u << 6,
    HF_PE = 1u << 7,
    HF_EFLAGS = X86_TF | X86_IOPL | X86_VM, /* the same positions as in EFLAGS */
};

struct engine {
    uc_engine *uc;
    struct memory *memory;
    struct nesting nesting;
    struct engine_calls calls;
    struct engine_layout at;
    uc_context *block; /* the saved processor */
    struct {
        uint32_t eflags, cr0, cr3, cr4;
    } loaded;       /* as engine_load or engine_store left them */
    uint32_t start; /* EIP for the next uc_emu_start */
    bool running;   /* in uc_emu_start */
    bool stopping;  /* engine_stop was called since it began ... */
    uint32_t kept;  /* ... and EFLAGS then, without the lazy ones */
    uc_err failure;
};

static uint32_t get(const struct engine *e, size_t offset)
{
    uint32_t value;
    memcpy(&value, (const uint8_t *)e->block + offset, sizeof value);
    return value;
}

static void put(struct engine *e, size_t offset, uint32_t value)
{
    memcpy((uint8_t *)e->block + offset, &value, sizeof value);
}

/* How much the next uc_context_save and uc_context_restore copy: the whole, or the head, where
 * everything is that the block is looked at for but the error code. The whole is ten times as much.
 */
static void copy_whole(const struct engine *e)
{
    const uint64_t bytes = e->at.whole;
    memcpy(e->block, &bytes, sizeof bytes);
}

static void copy_head(const struct engine *e)
{
    const uint64_t bytes = e->at.head;
    memcpy(e->block, &bytes, sizeof bytes);
}

static uint32_t read_register(struct engine *e, int reg)
{
    uint32_t value = 0;
    uc_reg_read(e->uc, reg, &value);
    return value;
}

static void write_register(struct engine *e, int reg, uint32_t value)
{
    uc_reg_write(e->uc, reg, &value);
}

/* ---- state ---- */

static void get_segment(const struct engine *e, size_t offset, struct x86_segment *segment)
{
    segment->selector = (uint16_t)get(e, offset + LAYOUT_SELECTOR);
    segment->base = get(e, offset + LAYOUT_BASE);
    segment->limit = get(e, offset + LAYOUT_LIMIT);
    segment->attributes = get(e, offset + LAYOUT_FLAGS) & X86_ATTRIBUTES;
}

static void put_segment(struct engine *e, size_t offset, const struct x86_segment *segment)
{
    put(e, offset + LAYOUT_SELECTOR, segment->selector);
    put(e, offset + LAYOUT_BASE, segment->base);
    put(e, offset + LAYOUT_LIMIT, segment->limit);
    put(e, offset + LAYOUT_FLAGS, segment->attributes);
}

static void note_loaded(struct engine *e, const struct cpu_state *s)
{
    e->loaded.eflags = s->eflags;
    e->loaded.cr0 = s->cr0;
    e->loaded.cr3 = s->cr3;
    e->loaded.cr4 = s->cr4;
    e->start = s->eip;
}

/* What the engine has for the lazy flags is, behind CMPXCHG8B, an operand of an instruction before
 * it, all bits of it, and so they are found in EFLAGS. `stored` are the others, and `read` is what
 * the engine says. Then nobody knows DF, which is 0 wherever a compiler has been. */
static uint32_t sound_eflags(uint32_t stored, uint32_t read)
{
    const uint32_t lazy = X86_ARITHMETIC | X86_DF;
    if (!((stored ^ read) & ~lazy))
        return read;
    return (stored & ~lazy) | (read & X86_ARITHMETIC);
}

void engine_load(struct engine *e, struct cpu_state *s)
{
    uc_context_save(e->uc, e->block);
    for (unsigned i = 0; i < 8; i++)
        s->gpr[i] = get(e, e->at.gpr + i * LAYOUT_GPR);
    s->eip = get(e, e->at.eip);
    s->eflags = get(e, e->at.eflags);
    if (e->running)
        s->eflags = sound_eflags(s->eflags, read_register(e, UC_X86_REG_EFLAGS));
    for (unsigned i = 0; i < X86_SREGS; i++)
        get_segment(e, e->at.segments + i * LAYOUT_SEGMENT, &s->seg[i]);
    get_segment(e, e->at.ldtr, &s->ldtr);
    if (!(s->ldtr.selector & ~3u)) /* LLDT of a null selector leaves the attributes as they were */
        s->ldtr = (struct x86_segment){.selector = s->ldtr.selector};
    get_segment(e, e->at.tr, &s->tr);
    s->gdtr.base = get(e, e->at.gdtr + LAYOUT_BASE);
    s->gdtr.limit = (uint16_t)get(e, e->at.gdtr + LAYOUT_LIMIT);
    s->idtr.base = get(e, e->at.idtr + LAYOUT_BASE);
    s->idtr.limit = (uint16_t)get(e, e->at.idtr + LAYOUT_LIMIT);
    s->cr0 = get(e, e->at.cr0);
    s->cr2 = get(e, e->at.cr2);
    s->cr3 = get(e, e->at.cr3);
    s->cr4 = get(e, e->at.cr4);
    uint32_t hflags = get(e, e->at.hflags);
    s->cpl = hflags & HF_CPL;
    s->interrupt_shadow = (hflags & HF_INHIBIT_IRQ) != 0;
    s->tr.attributes |= TSS_BUSY; /* as the manual has it; see engine_store */
    note_loaded(e, s);
}

/* The engine derives from the state what its translated code depends on; when the state is patched
 * the derived word has to follow. In 16-bit code the engine takes segment bases into account
 * whatever they are. */
static uint32_t derive_hflags(uint32_t old, const struct cpu_state *s)
{
    uint32_t hflags = old & ~(uint32_t)(HF_CPL | HF_INHIBIT_IRQ | HF_CS32 | HF_SS32 | HF_ADDSEG |
                                        HF_PE | HF_EFLAGS);
    bool protected_mode = x86_protected(s);
    hflags |= s->cpl | (s->eflags & HF_EFLAGS);
    if (s->cr0 & X86_CR0_PE)
        hflags |= HF_PE;
    if (s->seg[X86_CS].attributes & X86_SEG_DB)
        hflags |= HF_CS32;
    if (s->seg[X86_SS].attributes & X86_SEG_DB)
        hflags |= HF_SS32;
    if (!protected_mode || !(hflags & HF_CS32) ||
        (s->seg[X86_DS].base | s->seg[X86_ES].base | s->seg[X86_SS].base))
        hflags |= HF_ADDSEG;
    if (s->interrupt_shadow)
        hflags |= HF_INHIBIT_IRQ;
    return hflags;
}

void engine_store(struct engine *e, const struct cpu_state *s)
{
    /* Control registers go by the register interface, which derives and flushes what depends on
     * them; the block has the old values until they are in. */
    bool cr0 = s->cr0 != e->loaded.cr0, cr3 = s->cr3 != e->loaded.cr3,
         cr4 = s->cr4 != e->loaded.cr4;
    const uint32_t lazy = X86_ARITHMETIC | X86_DF;
    /* The register interface sets the lazy flags, and leaves them in EFLAGS as well, whence they
     * would be or'ed to later ones: so the block is taken again, and EFLAGS put right in it. */
    if (e->running && ((s->eflags ^ e->loaded.eflags) & lazy)) {
        write_register(e, UC_X86_REG_EFLAGS, s->eflags | X86_FIXED);
        uc_context_save(e->uc, e->block);
    }
    for (unsigned i = 0; i < 8; i++)
        put(e, e->at.gpr + i * LAYOUT_GPR, s->gpr[i]);
    put(e, e->at.eip, s->eip);
    for (unsigned i = 0; i < X86_SREGS; i++)
        put_segment(e, e->at.segments + i * LAYOUT_SEGMENT, &s->seg[i]);
    put_segment(e, e->at.ldtr, &s->ldtr);
    /* The engine aborts the host's process where a call gate meets a task register that is busy or
     * not present; it never looks at either otherwise. */
    struct x86_segment tr = s->tr;
    tr.attributes = (tr.attributes & ~(uint32_t)TSS_BUSY) | X86_SEG_PRESENT;
    put_segment(e, e->at.tr, &tr);
    put(e, e->at.gdtr + LAYOUT_BASE, s->gdtr.base);
    put(e, e->at.gdtr + LAYOUT_LIMIT, s->gdtr.limit);
    put(e, e->at.idtr + LAYOUT_BASE, s->idtr.base);
    put(e, e->at.idtr + LAYOUT_LIMIT, s->idtr.limit);
    put(e, e->at.cr2, s->cr2);
    put(e, e->at.eflags, (e->running ? s->eflags & ~lazy : s->eflags) | X86_FIXED);
    put(e, e->at.hflags, derive_hflags(get(e, e->at.hflags), s));
    uc_context_restore(e->uc, e->block);
    if (cr4)
        write_register(e, UC_X86_REG_CR4, s->cr4);
    if (cr3)
        write_register(e, UC_X86_REG_CR3, s->cr3);
    if (cr0)
        write_register(e, UC_X86_REG_CR0, s->cr0);
    if (cr0 || cr3 || cr4)
        uc_ctl_flush_tlb(e->uc);
    note_loaded(e, s);
}

void engine_glance(struct engine *e, struct engine_glance *glance)
{
    uc_context_save(e->uc, e->block);
    glance->eip = get(e, e->at.eip);
    glance->cs_base = get(e, e->at.segments + X86_CS * LAYOUT_SEGMENT + LAYOUT_BASE);
    glance->cs = (uint16_t)get(e, e->at.segments + X86_CS * LAYOUT_SEGMENT + LAYOUT_SELECTOR);
    glance->traps = get(e, e->at.eflags) & X86_TF;
    glance->cr4 = get(e, e->at.cr4);
    glance->cpl = get(e, e->at.hflags) & HF_CPL;
}

void engine_step_over(struct engine *e, uint32_t eip, uint32_t eax, uint32_t edx)
{
    put(e, e->at.eip, eip);
    put(e, e->at.gpr + X86_EAX * LAYOUT_GPR, eax);
    put(e, e->at.gpr + X86_EDX * LAYOUT_GPR, edx);
    put(e, e->at.hflags, get(e, e->at.hflags) & ~(uint32_t)HF_INHIBIT_IRQ);
    put(e, e->at.eflags, get(e, e->at.eflags) & ~(uint32_t)X86_RF);
    uc_context_restore(e->uc, e->block);
    e->start = eip;
}

uint32_t engine_error_code(const struct engine *e)
{
    copy_whole(e);
    uc_context_save(e->uc, e->block);
    copy_head(e);
    return get(e, e->at.error_code);
}

uint32_t engine_fault_address(const struct engine *e)
{
    uint32_t address;
    memcpy(&address, e->memory->firmware + FIRMWARE_VMCB + SVM_EXIT_INFO_2, sizeof address);
    return address;
}

uint32_t engine_eflags(struct engine *e)
{
    return read_register(e, UC_X86_REG_EFLAGS);
}

uint32_t engine_gpr(struct engine *e, enum x86_gpr number)
{
    static const int registers[8] = {UC_X86_REG_EAX, UC_X86_REG_ECX, UC_X86_REG_EDX,
                                     UC_X86_REG_EBX, UC_X86_REG_ESP, UC_X86_REG_EBP,
                                     UC_X86_REG_ESI, UC_X86_REG_EDI};
    return read_register(e, registers[number]);
}

uint16_t engine_cs(struct engine *e)
{
    return (uint16_t)read_register(e, UC_X86_REG_CS);
}

void engine_paging(struct engine *e, uint32_t *cr0, uint32_t *cr3, uint32_t *cr4)
{
    *cr0 = read_register(e, UC_X86_REG_CR0);
    *cr3 = read_register(e, UC_X86_REG_CR3);
    *cr4 = read_register(e, UC_X86_REG_CR4);
}

void engine_float_get(struct engine *e, struct engine_float *f)
{
    memset(f, 0, sizeof *f);
    uc_reg_read(e->uc, UC_X86_REG_ST0, f->st0);
    uc_reg_read(e->uc, UC_X86_REG_XMM0, f->xmm0);
    f->status = (uint16_t)read_register(e, UC_X86_REG_FPSW);
    f->control = (uint16_t)read_register(e, UC_X86_REG_FPCW);
}

/* ---- hooks ---- */

static void on_interrupt(uc_engine *uc, uint32_t number, void *context)
{
    struct engine *e = context;
    (void)uc;
    e->calls.exit(e->calls.context, number >= 0x100 ? number - 0x100 : SVM_EXIT_EXCEPTION + number);
}

/* In guest mode the invalid instruction arrives as an exit all the same. */
static bool on_invalid(uc_engine *uc, void *context)
{
    (void)uc;
    (void)context;
    return true;
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *context)
{
    struct engine *e = context;
    (void)uc;
    return e->calls.in(e->calls.context, (uint16_t)port, (unsigned)size);
}

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *context)
{
    struct engine *e = context;
    (void)uc;
    e->calls.out(e->calls.context, (uint16_t)port, (unsigned)size, value);
}

static void on_site(uc_engine *uc, uint64_t pc, uint32_t size, void *context)
{
    struct engine *e = context;
    (void)uc;
    (void)size;
    e->calls.site(e->calls.context, (uint32_t)pc);
}

static bool add_hooks(struct engine *e)
{
    uc_hook hook;
    return !uc_hook_add(e->uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, e, 1, 0) &&
           !uc_hook_add(e->uc, &hook, UC_HOOK_INSN_INVALID, (void *)on_invalid, e, 1, 0) &&
           !uc_hook_add(e->uc, &hook, UC_HOOK_INSN, (void *)on_in, e, 1, 0, UC_X86_INS_IN) &&
           !uc_hook_add(e->uc, &hook, UC_HOOK_INSN, (void *)on_out, e, 1, 0, UC_X86_INS_OUT) &&
           !uc_hook_add(e->uc, &hook, UC_HOOK_BLOCK, (void *)e->calls.block, e->calls.context, 1,
                        0);
}

/* ---- running ---- */

/* When it stops the engine puts into EFLAGS what it has for the lazy flags. */
static void clean_eflags(struct engine *e)
{
    if (!e->stopping)
        return;
    uc_context_save(e->uc, e->block);
    uint32_t now = get(e, e->at.eflags), sound = sound_eflags(e->kept, now);
    if (now == sound)
        return;
    put(e, e->at.eflags, sound);
    uc_context_restore(e->uc, e->block);
}

bool engine_run(struct engine *e)
{
    e->running = true;
    e->stopping = false;
    divide_guard(true);
    e->failure = uc_emu_start(e->uc, e->start, 0, 0, 0);
    divide_guard(false);
    e->running = false;
    clean_eflags(e);
    return e->failure == UC_ERR_OK;
}

const char *engine_failure(const struct engine *e)
{
    return uc_strerror(e->failure);
}

void engine_stop(struct engine *e)
{
    if (e->running && !e->stopping) {
        uc_context_save(e->uc, e->block);
        e->kept = get(e, e->at.eflags) & ~(uint32_t)(X86_ARITHMETIC | X86_DF);
        e->stopping = true;
    }
    uc_emu_stop(e->uc);
}

void engine_flush_tlb(struct engine *e)
{
    uc_ctl_flush_tlb(e->uc);
}

void engine_flush_code(struct engine *e)
{
    uc_ctl_flush_tb(e->uc);
}

/* To drop a translation the engine looks the address up as if the guest had: what that does to CR2,
 * and to the exception that it remembers for a double fault, is undone. */
static void keep(struct engine *e)
{
    copy_whole(e);
    uc_context_save(e->uc, e->block);
}

static void put_back(struct engine *e)
{
    uc_context_restore(e->uc, e->block);
    copy_head(e);
}

/* Names machine memory by its own address: paging is off for that, and the nested tables are flat
 * there. */
static void drop_machine(struct engine *e, uint32_t machine, uint32_t size)
{
    uint32_t cr0 = read_register(e, UC_X86_REG_CR0);
    nesting_show(&e->nesting, machine, true);
    write_register(e, UC_X86_REG_CR0, cr0 & ~(uint32_t)X86_CR0_PG);
    uc_ctl_flush_tlb(e->uc);
    uc_ctl_remove_cache(e->uc, machine, (uint64_t)machine + size);
    nesting_show(&e->nesting, machine, false);
    write_register(e, UC_X86_REG_CR0, cr0);
    uc_ctl_flush_tlb(e->uc);
}

/* Under nested tables a linear address may need entries that the view does not hold. */
void engine_drop_code(struct engine *e, uint32_t machine, uint32_t size, uint32_t linear,
                      bool mapped)
{
    keep(e);
    if (mapped && e->nesting.root == NESTING_FLAT)
        uc_ctl_remove_cache(e->uc, linear, (uint64_t)linear + size);
    else
        drop_machine(e, machine, size);
    put_back(e);
}

size_t engine_site_add(struct engine *e, uint32_t pc)
{
    uc_hook hook = 0;
    if (uc_hook_add(e->uc, &hook, UC_HOOK_CODE, (void *)on_site, e, pc, pc))
        return 0;
    return hook;
}

void engine_site_remove(struct engine *e, size_t site)
{
    keep(e);
    uc_hook_del(e->uc, site);
    put_back(e);
}

/* ---- nested tables ---- */

static uint32_t *firmware_word(const struct engine *e, uint32_t offset)
{
    return (uint32_t *)(void *)(e->memory->firmware + offset);
}

struct nesting *engine_nesting(struct engine *e)
{
    return &e->nesting;
}

void engine_protect(struct engine *e, uint32_t frame, bool writable)
{
    nesting_protect(&e->nesting, frame, writable);
}

bool engine_writable(struct engine *e, uint32_t frame)
{
    return nesting_writable(&e->nesting, frame);
}

static void build_vmcb(struct engine *e)
{
    *firmware_word(e, SVM_INTERCEPT_CR_READ) = (1u << 0 | 1u << 4) << 16; /* writes: CR0, CR4 */
    *firmware_word(e, SVM_INTERCEPT_DR_READ) = 0xffffffff;                /* and writes */
    *firmware_word(e, SVM_INTERCEPT_EXCEPTIONS) = 0xffffffff;
    *firmware_word(e, SVM_INTERCEPT_MISC1) =
        SVM_MISC1_TR_WRITE | SVM_MISC1_RDTSC | SVM_MISC1_RDPMC | SVM_MISC1_CPUID | SVM_MISC1_RSM |
        SVM_MISC1_SWINT | SVM_MISC1_HLT | SVM_MISC1_INVLPGA | SVM_MISC1_MSR;
    *firmware_word(e, SVM_INTERCEPT_MISC2) = SVM_MISC2_ALL;
    memset(e->memory->firmware + FIRMWARE_MSRPM, 0xff, 2 * MEMORY_FRAME_SIZE);
    *firmware_word(e, SVM_MSRPM_BASE) = MEMORY_FIRMWARE + FIRMWARE_MSRPM;
    *firmware_word(e, SVM_ASID) = 1;
    *firmware_word(e, SVM_NESTED_ENABLE) = 1;
    *firmware_word(e, SVM_NESTED_CR3) = MEMORY_FIRMWARE + NESTING_DIRECTORY;
    for (unsigned i = 0; i < X86_SREGS; i++) {
        *firmware_word(e, SVM_SAVE_SEGMENTS + 16 * i) = (i == X86_CS ? 0x009bu : 0x0093u) << 16;
        *firmware_word(e, SVM_SAVE_SEGMENTS + 16 * i + 4) = 0xffff;
    }
    *firmware_word(e, SVM_SAVE_EFER) = 1u << 12;
    *firmware_word(e, SVM_SAVE_CR0) = X86_CR0_ET;
    *firmware_word(e, SVM_SAVE_DR7) = 0x400;
    *firmware_word(e, SVM_SAVE_DR6) = 0xffff0ff0;
    *firmware_word(e, SVM_SAVE_RFLAGS) = X86_FIXED;
}

bool engine_guards_msrs(const struct engine *e)
{
    const uint8_t *map = e->memory->firmware + FIRMWARE_MSRPM;
    return (*firmware_word(e, SVM_INTERCEPT_MISC1) & SVM_MISC1_MSR) && *map == 0xff &&
           memcmp(map, map + 1, 2 * MEMORY_FRAME_SIZE - 1) == 0;
}

static void stop_at_first_block(uc_engine *uc, uint64_t pc, uint32_t size, void *context)
{
    (void)size;
    (void)context;
    if (pc < MEMORY_FIRMWARE)
        uc_emu_stop(uc);
}

/* Executes VMRUN, and stops before the guest's first instruction. */
static bool enter_guest_mode(struct engine *e)
{
    static const uint8_t vmrun[] = {0x0f, 0x01, 0xd8};
    enum { MSR_EFER = 0xc0000080, MSR_VM_HSAVE_PA = 0xc0010117 };
    uc_x86_msr efer = {MSR_EFER, 1u << 12};
    uc_x86_msr host_save = {MSR_VM_HSAVE_PA, MEMORY_FIRMWARE + FIRMWARE_HOST_SAVE};
    uc_x86_mmr gdtr = {0, MEMORY_FIRMWARE + FIRMWARE_START + 0x100, 0x17, 0};
    static const uint32_t gdt[6] = {0, 0, 0x0000ffff, 0x00cf9b00, 0x0000ffff, 0x00cf9300};
    static const int data[] = {UC_X86_REG_SS, UC_X86_REG_DS, UC_X86_REG_ES, UC_X86_REG_FS,
                               UC_X86_REG_GS};
    memcpy(e->memory->firmware + FIRMWARE_START, vmrun, sizeof vmrun);
    memcpy(e->memory->firmware + FIRMWARE_START + 0x100, gdt, sizeof gdt);
    uc_reg_write(e->uc, UC_X86_REG_GDTR, &gdtr);
    write_register(e, UC_X86_REG_CS, 0x08);
    for (size_t i = 0; i < sizeof data / sizeof *data; i++)
        write_register(e, data[i], 0x10);
    if (uc_reg_write(e->uc, UC_X86_REG_MSR, &efer) ||
        uc_reg_write(e->uc, UC_X86_REG_MSR, &host_save))
        return false;
    build_vmcb(e);
    write_register(e, UC_X86_REG_EAX, MEMORY_FIRMWARE + FIRMWARE_VMCB);
    uc_hook hook;
    if (uc_hook_add(e->uc, &hook, UC_HOOK_BLOCK, (void *)stop_at_first_block, 0, 1, 0))
        return false;
    uc_err error = uc_emu_start(e->uc, MEMORY_FIRMWARE + FIRMWARE_START, 0, 0, 0);
    uc_hook_del(e->uc, hook);
    uc_ctl_remove_cache(e->uc, 0, X86_PAGE_SIZE);
    return !error && read_register(e, UC_X86_REG_EIP) == 0;
}

static struct engine_layout layout;
static char layout_failure[256];
static bool layout_good;

static void calibrate_once(void)
{
    layout_good = calibrate(&layout, layout_failure, sizeof layout_failure);
}

struct engine *engine_open(struct memory *memory, const struct engine_calls *calls, char *why,
                           size_t room)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, calibrate_once);
    if (!layout_good) {
        snprintf(why, room, "%s", layout_failure);
        return 0;
    }
    struct engine *e = calloc(1, sizeof *e);
    if (!e) {
        snprintf(why, room, "The host has no memory for another engine.");
        return 0;
    }
    e->memory = memory;
    e->calls = *calls;
    e->at = layout;
    if (!nesting_init(&e->nesting, memory) || uc_open(UC_ARCH_X86, UC_MODE_32, &e->uc) ||
        uc_ctl_set_cpu_model(e->uc, UC_CPU_X86_QEMU64) ||
        uc_ctl_set_tcg_buffer_size(e->uc, ENGINE_CODE_BUFFER) ||
        uc_mem_map_ptr(e->uc, 0, memory->size, UC_PROT_ALL, memory->bytes) ||
        uc_mem_map_ptr(e->uc, MEMORY_FIRMWARE, MEMORY_FIRMWARE_SIZE, UC_PROT_ALL,
                       memory->firmware) ||
        uc_ctl_exits_enable(e->uc) || uc_context_alloc(e->uc, &e->block) || !enter_guest_mode(e) ||
        !add_hooks(e)) {
        snprintf(why, room,
                 "The Unicorn engine did not enter SVM guest mode; link libvmm with Unicorn 2.1.1 "
                 "and leave it room for %u MB of translated code.",
                 ENGINE_CODE_BUFFER >> 20);
        engine_close(e);
        return 0;
    }
    copy_head(e);
    struct cpu_state state;
    engine_load(e, &state);
    return e;
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    if (e->block)
        uc_context_free(e->block);
    if (e->uc)
        uc_close(e->uc);
    nesting_destroy(&e->nesting);
    free(e);
}

/* ---- images ---- */

struct engine_image *engine_image_new(struct engine *e)
{
    uc_context *image = 0;
    if (uc_context_alloc(e->uc, &image))
        return 0;
    uc_context_save(e->uc, image);
    return (struct engine_image *)image;
}

void engine_image_free(struct engine_image *image)
{
    if (image)
        uc_context_free((uc_context *)image);
}

void engine_image_save(struct engine *e, struct engine_image *image)
{
    uc_context_save(e->uc, (uc_context *)image);
}

void engine_image_restore(struct engine *e, const struct engine_image *image)
{
    uc_context_restore(e->uc, (uc_context *)(uintptr_t)image);
    uc_ctl_flush_tlb(e->uc);
    struct cpu_state state;
    engine_load(e, &state);
    e->start = state.eip;
}
