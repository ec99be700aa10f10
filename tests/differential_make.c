/* Making random cases: states, instructions, and the tables that they meet. What is random is drawn
 * from values at which processors differ (edges of words, pages and tables), and a memory operand
 * is moved to where there is memory. Cases stay away from what the engine is known to do otherwise
 * than the manual (docs/engine-deviations.md): limits of data segments, null selectors in use. */
#include <string.h>

#include "arch/x86/walk.h"
#include "differential.h"
#include "protected_mode.h"

/* ---- randomness: xorshift64*, seeded for each case ---- */

static uint64_t random_state = 1;

void diff_seed(uint64_t seed)
{
    /* SplitMix64's finalizer: neighbouring seeds must not make neighbouring cases. */
    seed += 0x9e3779b97f4a7c15u;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebu;
    random_state = (seed ^ seed >> 31) | 1;
}

uint32_t diff_random(uint32_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 0x2545f4914f6cdd1du) >> 32) % below;
}

static uint32_t random_word(void)
{
    static const uint32_t edges[] = {0,     1,      2,          0x7f,       0x80,       0xff,
                                     0x100, 0x7fff, 0x8000,     0xffff,     0x10000,    31,
                                     32,    33,     0x7fffffff, 0x80000000, 0xffffffff, 0x99,
                                     0x9a,  10,     DIFF_DATA,  0xffffff80, 0x55555555, 0xaaaaaaaa};

    switch (diff_random(4)) {
    case 0: return edges[diff_random(sizeof edges / sizeof *edges)];
    case 1: return diff_random(0x10000);
    default: return diff_random(0x10000) << 16 | diff_random(0x10000);
    }
}

void diff_poke(struct diff_case *c, uint32_t at, uint32_t value)
{
    if (c->poke_count < DIFF_POKES) {
        c->pokes[c->poke_count++] = (struct diff_poke){at, value};
    }
}

/* ---- states ---- */

#define DATA_ATTRIBUTES (WORLD_FLAT | X86_SEG_RW | X86_SEG_ACCESSED)

static const uint16_t code_selector[] = {WORLD_CODE0, WORLD_CODE1, 0, WORLD_CODE3};
static const uint16_t data_selector[] = {WORLD_DATA0, WORLD_DATA1, 0, WORLD_DATA3};

static struct x86_segment flat_segment(uint16_t selector, unsigned dpl, uint32_t base, bool code)
{
    return (struct x86_segment){
        .selector = selector,
        .base = base,
        .limit = UINT32_MAX,
        .attributes = (code ? WORLD_FLAT | WORLD_CODER | X86_SEG_ACCESSED : DATA_ATTRIBUTES) |
                      WORLD_RING(dpl)};
}

static void set_protected(struct cpu_state *cpu, unsigned ring, bool code16)
{
    static const uint32_t bases[] = {0, 0, 0, 0x400, 0xe000, 0xfffff000};
    static const uint32_t stacks[] = {WORLD_STACK0, WORLD_STACK1, 0, WORLD_STACK3};

    cpu->cpl = (uint8_t)ring;
    for (unsigned i = 0; i < X86_SREGS; i++) {
        uint32_t base = i == X86_SS || i == X86_CS ? 0 : bases[diff_random(6)];
        cpu->seg[i] = flat_segment(data_selector[ring], i == X86_SS ? ring : 3, base, false);
    }
    cpu->seg[X86_CS] = flat_segment(code_selector[ring], ring, 0, true);
    if (code16) {
        cpu->seg[X86_CS].selector = WORLD_CODE16;
        cpu->seg[X86_CS].attributes &= ~(X86_SEG_DB | X86_SEG_G);
        cpu->seg[X86_CS].limit = 0xffff;
    }
    if (code16 ? diff_random(4) : !diff_random(8)) {
        cpu->seg[X86_SS].attributes &= ~(X86_SEG_DB | X86_SEG_G);
        cpu->seg[X86_SS].limit = 0xffff;
    }
    cpu->gpr[X86_ESP] = stacks[ring] - 4 * diff_random(40) - (diff_random(8) ? 0 : diff_random(4));
}

static void set_real(struct cpu_state *cpu, bool v86)
{
    static const uint16_t paragraphs[] = {0, 0xe00, 0x40, 0xf00};

    if (v86) {
        cpu->eflags |= X86_VM;
        cpu->cpl = 3;
    } else {
        cpu->cr0 &= ~X86_CR0_PE;
        cpu->idtr = (struct x86_table){0, 0x3ff};
    }
    for (unsigned i = 0; i < X86_SREGS; i++) {
        cpu->seg[i] = (struct x86_segment){.limit = 0xffff,
                                           .attributes = X86_SEG_PRESENT | X86_SEG_S | X86_SEG_RW |
                                                         X86_SEG_ACCESSED};
        x86_load_segment_real(cpu, i, i == X86_CS ? DIFF_CODE >> 4 : paragraphs[diff_random(4)]);
    }
    x86_load_segment_real(cpu, X86_SS, 0);
    cpu->eip = 0;
    cpu->gpr[X86_ESP] = 0x5000 - 4 * diff_random(40) - (diff_random(8) ? 0 : diff_random(4));
}

void diff_state(struct diff_case *c, enum diff_mode mode)
{
    static const unsigned rings[] = {0, 1, 3, 0};
    struct cpu_state *cpu = &c->cpu;

    c->time = ((uint64_t)diff_random(1000) << 32) + 1 + diff_random(0x10000000);
    for (unsigned i = 0; i < 8; i++) {
        cpu->gpr[i] = random_word();
    }
    cpu->cr0 = X86_CR0_PE | X86_CR0_ET | (diff_random(2) ? X86_CR0_WP : 0);
    cpu->cr2 = random_word();
    cpu->cr3 = DIFF_DIRECTORY;
    cpu->cr4 = X86_CR4_PSE | (diff_random(4) ? 0 : X86_CR4_PGE);
    cpu->eflags = X86_FIXED | (random_word() & X86_ARITHMETIC) | diff_random(4) << X86_IOPL_SHIFT |
                  (diff_random(2) ? X86_DF : 0) | (diff_random(2) ? X86_IF : 0) |
                  (diff_random(8) ? 0 : X86_AC) | (diff_random(8) ? 0 : X86_ID);
    cpu->gdtr = (struct x86_table){WORLD_GDT, WORLD_GDT_LIMIT};
    cpu->idtr = (struct x86_table){WORLD_IDT, 0x7ff};
    cpu->ldtr = (struct x86_segment){.selector = WORLD_LDTR,
                                     .base = WORLD_LDT,
                                     .limit = 0xf,
                                     .attributes = X86_SEG_PRESENT | X86_LDT << 8};
    cpu->tr = (struct x86_segment){.selector = WORLD_TR,
                                   .base = WORLD_TSS,
                                   .limit = 0xa8,
                                   .attributes = X86_SEG_PRESENT | X86_TSS32_BUSY << 8};
    cpu->dr[6] = 0xffff0ff0;
    cpu->dr[7] = 0x400;
    cpu->interrupt_shadow = !diff_random(8);
    if (mode == DIFF_REAL || mode == DIFF_V86) {
        set_real(cpu, mode == DIFF_V86);
    } else {
        set_protected(cpu, rings[mode], mode == DIFF_CODE16);
        cpu->eip = DIFF_CODE;
    }
    if (mode != DIFF_REAL && diff_random(2)) {
        cpu->cr0 |= X86_CR0_PG;
    }
}

void diff_pages(struct diff_case *c)
{
    static const uint8_t rights[] = {7, 7, 7, 5, 3, 1, 6, 0x27, 0x67};

    if (!(c->cpu.cr0 & X86_CR0_PG)) {
        return;
    }
    for (uint32_t page = DIFF_DATA >> 12; page <= DIFF_WORLD >> 12; page++) {
        diff_poke(c, DIFF_TABLE + 4 * page, page << 12 | rights[diff_random(sizeof rights)]);
    }
    if (!diff_random(16)) {
        uint32_t page = c->cpu.gpr[X86_ESP] >> 12 & 0xf;
        diff_poke(c, DIFF_TABLE + 4 * page, page << 12 | rights[diff_random(sizeof rights)]);
    }
}

/* ---- instructions ---- */

static void append(struct diff_case *c, unsigned byte)
{
    if (c->length < DIFF_BYTES) {
        c->bytes[c->length++] = (uint8_t)byte;
    }
}

void diff_opcode(struct diff_case *c, const char *allowed, const uint8_t *opcode, unsigned count)
{
    size_t choices = strlen(allowed);

    while (choices > 0 && diff_random(5) < 2 && c->length < 4) {
        append(c, (uint8_t)allowed[diff_random((uint32_t)choices)]);
    }
    for (unsigned i = 0; i < count; i++) {
        append(c, opcode[i]);
    }
}

void diff_immediate(struct diff_case *c, unsigned count)
{
    uint32_t value = random_word();

    for (unsigned i = 0; i < count; i++) {
        append(c, value >> 8 * (i & 3));
    }
}

bool diff_decode(const struct diff_case *c, struct x86_instruction *insn)
{
    uint8_t window[32] = {0};

    memcpy(window, c->bytes, c->length);
    return x86_decode(window, sizeof window, c->cpu.seg[X86_CS].attributes & X86_SEG_DB, insn) > 0;
}

bool diff_beyond_segment(const struct cpu_state *cpu, const struct x86_instruction *insn)
{
    const struct x86_segment *segment = &cpu->seg[insn->segment];

    if (!(insn->flags & (X86_INSN_MEMORY | X86_INSN_OFFSET))) {
        return false;
    }
    return (insn->segment == X86_CS && x86_protected(cpu)) ||
           !x86_segment_contains(segment, x86_effective_offset(cpu, insn), 10);
}

bool diff_crosses_page(const struct cpu_state *cpu, const struct x86_instruction *insn,
                       unsigned size)
{
    return (insn->flags & X86_INSN_MEMORY) &&
           (x86_effective_address(cpu, insn) & ~X86_PAGE_MASK) + size > X86_PAGE_SIZE;
}

uint32_t diff_target(void)
{
    switch (diff_random(8)) {
    case 0: return DIFF_DATA + 0x1000 - diff_random(16);
    case 1: return DIFF_WORLD - diff_random(16);
    case 2: return 0x400000 + DIFF_DATA + diff_random(0x1000);
    default: return DIFF_DATA + diff_random(0x1ff0);
    }
}

/* Moves the operand by the base, the index or the displacement, whichever is there. */
static void aim(struct diff_case *c, unsigned displacement_at, unsigned displacement_size)
{
    struct x86_instruction insn;
    uint32_t delta, offset;

    if (!diff_decode(c, &insn) || !(insn.flags & X86_INSN_MEMORY)) {
        return;
    }
    offset = x86_effective_offset(&c->cpu, &insn);
    delta = diff_target() - c->cpu.seg[insn.segment].base - offset;
    if (insn.address_size == 2 && ((offset + delta) & 0xffff) > 0xffe0) {
        delta -= 0x40; /* an access must not run beyond a 64 KB segment */
    }
    if (displacement_size >= 2) {
        uint32_t value = insn.displacement + delta;
        memcpy(c->bytes + displacement_at, &value, displacement_size);
    } else if (insn.base != X86_NO_REGISTER && insn.base != X86_ESP && insn.base != insn.index) {
        c->cpu.gpr[insn.base] += delta;
    } else if (insn.index != X86_NO_REGISTER && insn.base != insn.index) {
        c->cpu.gpr[insn.index] += delta >> insn.scale;
    }
}

static bool address_is_32(const struct diff_case *c)
{
    bool size32 = c->cpu.seg[X86_CS].attributes & X86_SEG_DB;

    for (unsigned i = 0; i < c->length && i < 4; i++) {
        if (c->bytes[i] == 0x67) {
            return !size32;
        }
        if (!strchr("\x66\x67\xf0\xf2\xf3\x26\x2e\x36\x3e\x64\x65", c->bytes[i])) {
            break;
        }
    }
    return size32;
}

void diff_modrm(struct diff_case *c, unsigned reg, unsigned mod3)
{
    unsigned mod = mod3 == 2 ? 3 : mod3 == 1 ? diff_random(4) : diff_random(3);
    unsigned rm = diff_random(8), size = mod == 1 ? 1 : 0, at;

    append(c, mod << 6 | (reg > 7 ? diff_random(8) : reg) << 3 | rm);
    if (mod == 3) {
        return;
    }
    if (address_is_32(c)) {
        unsigned base = rm;
        if (rm == 4) {
            unsigned sib = diff_random(256);
            append(c, sib);
            base = sib & 7;
        }
        size = mod == 2 || (mod == 0 && base == 5) ? 4 : size;
    } else {
        size = mod == 2 || (mod == 0 && rm == 6) ? 2 : size;
    }
    at = c->length;
    diff_immediate(c, size);
    aim(c, at, size);
}
