/* What each of the guest's instructions becomes. Two rules bind every sequence here: it must not
 * change a flag, nor a byte of memory, that the instruction itself would not; and at each of its
 * own instructions a mark says how to get back to the state before the guest's, so that a fault,
 * an interrupt or the end of the guest's time may come anywhere.
 *
 * The processor is at ring 1 with IOPL 1: CLI and STI are identical, because the real IF is the
 * virtual one; PUSHF has to hide the IOPL. LEA adds, and JECXZ compares with zero, without a flag.
 */
#include <stddef.h>
#include <string.h>

#include "unit.h"

enum { SS_OVERRIDE = 0x36, REAL_IOPL = 1 << X86_IOPL_SHIFT };

/* ---- bytes ---- */

static void put(struct draft *d, const void *bytes, unsigned count)
{
    memcpy(d->code + d->length, bytes, count);
    d->length += count;
}

static void put_byte(struct draft *d, uint8_t byte)
{
    put(d, &byte, 1);
}

static void put_word(struct draft *d, uint32_t word)
{
    put(d, &word, sizeof word);
}

/* The next instruction of the cache begins here, the guest being at the present one. */
static struct mark *mark(struct draft *d)
{
    struct mark *m = &d->mark[d->marks++];
    *m = (struct mark){.at = (uint16_t)d->length, .guest = (uint16_t)d->guest};
    return m;
}

/* As `mark`, with the registers of `borrow` in their words and ESP `stack` too low. */
static struct mark *mark_borrowed(struct draft *d, unsigned borrow, int stack)
{
    struct mark *m = mark(d);
    m->borrow = (uint8_t)borrow;
    m->stack = (int8_t)stack;
    return m;
}

/* ---- the VMM's own memory ----
 *
 * Reached through SS: it is flat while translations run, whatever the guest has in DS. */

static uint32_t word_address(const struct draft *d, unsigned gpr)
{
    size_t word = gpr == X86_ECX ? offsetof(struct translator_words, ecx)
                                 : offsetof(struct translator_words, eax);
    return d->t->base + d->t->space.words_offset + (uint32_t)word;
}

static uint32_t state_address(const struct draft *d, size_t offset)
{
    return d->t->base + d->t->space.state_offset + (uint32_t)offset;
}

/* `opcode` reg, ss:[address] */
static void put_absolute(struct draft *d, uint8_t opcode, unsigned reg, uint32_t address)
{
    put_byte(d, SS_OVERRIDE);
    put_byte(d, opcode);
    put_byte(d, (uint8_t)(reg << 3 | 5));
    put_word(d, address);
}

static void put_save(struct draft *d, unsigned gpr)
{
    enum { MOV_STORE = 0x89 };
    put_absolute(d, MOV_STORE, gpr, word_address(d, gpr));
}

static void put_restore(struct draft *d, unsigned gpr)
{
    enum { MOV_LOAD = 0x8b };
    put_absolute(d, MOV_LOAD, gpr, word_address(d, gpr));
}

/* ---- leaving the cache ---- */

static void put_call_out(struct draft *d, enum translator_exit why, unsigned kind)
{
    struct mark *m = mark(d);
    m->exit = why;
    m->kind = (uint8_t)kind;
    put_byte(d, TRAP);
    d->ends = true;
}

/* A jump to the guest's `target`: until it is chained, an INT3 in the jump's place. Where chaining
 * is somebody else's the jump has to work without, too: it leads to an INT3 behind the unit. */
static void put_jump(struct draft *d, struct mark *m, uint32_t target)
{
    static const uint8_t unchained[JUMP_LENGTH] = {TRAP};
    if (chained_by_others(d->t)) {
        put_byte(d, JUMP);
        d->exit[d->exits++] = (struct exit){.branch = (uint16_t)d->length, .target = target};
        put_word(d, 0);
        return;
    }
    m->exit = TRANSLATOR_BRANCH;
    d->exit[d->exits++] = (struct exit){.at = (uint16_t)d->length,
                                        .branch = (uint16_t)(d->length + 1),
                                        .in_place = true,
                                        .target = target};
    put(d, unchained, sizeof unchained);
}

void emit_continue(struct draft *d)
{
    put_jump(d, mark(d), d->eip + d->guest);
}

void emit_stubs(struct draft *d)
{
    for (unsigned i = 0; i < d->exits; i++) {
        struct exit *exit = &d->exit[i];
        if (exit->in_place)
            continue;
        mark(d)->exit = TRANSLATOR_BRANCH;
        exit->at = (uint16_t)d->length;
        uint32_t displacement = d->length - (exit->branch + 4u);
        memcpy(d->code + exit->branch, &displacement, sizeof displacement);
        put_byte(d, TRAP);
    }
}

/* ---- branches ---- */

static void branch_jcc(struct draft *d, const struct x86_instruction *insn, uint32_t target)
{
    mark(d)->retires = 1;
    put_byte(d, 0x0f);
    put_byte(d, 0x80 | (insn->opcode & 15u));
    d->exit[d->exits++] = (struct exit){.branch = (uint16_t)d->length, .target = target};
    put_word(d, 0);
}

/* LOOP and JECXZ have short displacements only:
 *
 *     loop 1f; jmp short 2f; 1: jmp target; 2:
 */
static void branch_loop(struct draft *d, const struct x86_instruction *insn, uint32_t target)
{
    mark(d)->retires = 1;
    if (insn->address_size == 2)
        put_byte(d, 0x67);
    put_byte(d, insn->opcode);
    put_byte(d, 2);
    mark(d)->guest = (uint16_t)(d->guest + insn->length);
    put(d, (const uint8_t[]){0xeb, JUMP_LENGTH}, 2);
    put_jump(d, mark(d), target);
}

static void branch_jmp(struct draft *d, uint32_t target)
{
    struct mark *m = mark(d);
    m->retires = 1;
    put_jump(d, m, target);
    d->ends = true;
}

static void branch_call(struct draft *d, const struct vmm_op *op)
{
    enum { PUSH_IMMEDIATE = 0x68 };
    mark(d);
    put_byte(d, PUSH_IMMEDIATE);
    put_word(d, op->value);
    struct mark *m = mark_borrowed(d, 0, 4);
    m->retires = 1;
    put_jump(d, m, op->target);
    d->ends = true;
}

/* ---- indirect branches ----
 *
 *     mov %ecx, words.ecx
 *     mov OPERAND, %ecx           where it goes: the top of the stack for RET
 *     mov %ecx, words.target
 *     ...                         CALL pushes, RET pops
 *     movzx %cx, %ecx
 *     jmp *table(, %ecx, 4)
 *
 * and there, in front of the unit whose low 16 bits these are, or of none:
 *
 *     mov words.target, %ecx
 *     lea -EIP(%ecx), %ecx
 *     mov %ecx, words.distance
 *     movzwl words.distance + 2, %ecx
 *     mov words.ecx(%ecx), %ecx
 *
 * The last MOV compares without a flag, and without a branch: the upper half of the distance is 0,
 * and ECX gets back what it was, or the address lies in the pages behind, where nothing is mapped,
 * and the page fault is a miss. (JECXZ and BOUND would do, too; but on this engine they cost
 * sixty nanoseconds and forty.)
 */

enum { ECX = 1u << X86_ECX };

static uint32_t target_address(const struct draft *d)
{
    return d->t->base + d->t->space.words_offset +
           (uint32_t)offsetof(struct translator_words, target);
}

static uint32_t distance_address(const struct draft *d)
{
    return d->t->base + d->t->space.words_offset +
           (uint32_t)offsetof(struct translator_words, distance);
}

static void put_jump_by_table(struct draft *d, int stack)
{
    mark_borrowed(d, ECX, stack);
    put(d, "\x0f\xb7\xc9", 3); /* movzx ecx, cx */
    mark_borrowed(d, ECX, stack)->retires = 1;
    put(d, "\x36\xff\x24\x8d", 4); /* jmp ss:[ecx * 4 + table] */
    put_word(d, d->t->base + d->t->space.table_offset);
    d->ends = true;
}

static void put_target(struct draft *d)
{
    enum { MOV_STORE = 0x89 };
    put_absolute(d, MOV_STORE, X86_ECX, target_address(d));
}

static void indirect_ret(struct draft *d, uint32_t bytes)
{
    int released = 4 + (int)bytes;
    mark(d);
    put_save(d, X86_ECX);
    mark_borrowed(d, ECX, 0);
    put(d, "\x8b\x0c\x24", 3); /* mov ecx, [esp] */
    put_target(d);
    put(d, "\x8d\x64\x24", 3); /* lea esp, [esp + released] */
    put_byte(d, (uint8_t)released);
    put_jump_by_table(d, -released);
}

static bool is_prefix(uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x67:
    case 0xf2:
    case 0xf3: return true;
    default: return false;
    }
}

/* CALL and JMP with a ModR/M operand become a MOV of the same operand to ECX. */
static void put_operand(struct draft *d, const struct x86_instruction *insn)
{
    enum { MOV_LOAD = 0x8b, REG = 7 << 3 };
    const uint8_t *bytes = d->bytes, *end = bytes + insn->length;
    for (; is_prefix(*bytes); bytes++)
        if (*bytes != 0xf2 && *bytes != 0xf3)
            put_byte(d, *bytes);
    put_byte(d, MOV_LOAD);
    put_byte(d, (uint8_t)((bytes[1] & ~REG) | X86_ECX << 3));
    put(d, bytes + 2, (unsigned)(end - bytes - 2));
}

static void indirect_jmp(struct draft *d, const struct x86_instruction *insn)
{
    mark(d);
    put_save(d, X86_ECX);
    mark_borrowed(d, ECX, 0);
    put_operand(d, insn);
    put_target(d);
    put_jump_by_table(d, 0);
}

static void indirect_call(struct draft *d, const struct x86_instruction *insn, uint32_t pushed)
{
    enum { PUSH_IMMEDIATE = 0x68 };
    mark(d);
    put_save(d, X86_ECX);
    mark_borrowed(d, ECX, 0);
    put_operand(d, insn);
    put_target(d);
    put_byte(d, PUSH_IMMEDIATE);
    put_word(d, pushed);
    put_jump_by_table(d, 4);
}

static struct mark *mark_landing(struct draft *d)
{
    struct mark *m = mark_borrowed(d, ECX, 0);
    m->lands = 1;
    return m;
}

void emit_landing(struct draft *d)
{
    enum { MOV_STORE = 0x89, MOV_LOAD = 0x8b };
    mark_landing(d);
    put_absolute(d, MOV_LOAD, X86_ECX, target_address(d));
    put(d, "\x8d\x89", 2); /* lea ecx, [ecx - eip] */
    put_word(d, -d->eip);
    put_absolute(d, MOV_STORE, X86_ECX, distance_address(d));
    put(d, "\x36\x0f\xb7\x0d", 4); /* movzx ecx, word ss:[distance + 2] */
    put_word(d, distance_address(d) + 2);
    mark_landing(d)->exit = TRANSLATOR_MISS;
    put(d, "\x36\x8b\x89", 3); /* mov ecx, ss:[ecx + words.ecx] */
    put_word(d, word_address(d, X86_ECX));
    d->entry = d->length;
}

void emit_miss(struct draft *d)
{
    mark_landing(d)->exit = TRANSLATOR_MISS;
    put_byte(d, TRAP);
}

/* ---- sensitive instructions ---- */

static void inline_pushf(struct draft *d)
{
    enum { EAX = 1u << X86_EAX };
    mark(d);
    put_save(d, X86_EAX);
    mark_borrowed(d, EAX, 0);
    put_byte(d, 0x9c); /* pushf */
    mark_borrowed(d, EAX, 4);
    put(d, "\x8b\x04\x24", 3); /* mov eax, [esp] */
    put(d, "\x8d\x80", 2);     /* lea eax, [eax - IOPL 1] */
    put_word(d, (uint32_t)-REAL_IOPL);
    put(d, "\x89\x04\x24", 3); /* mov [esp], eax */
    mark_borrowed(d, EAX, 4)->retires = 1;
    put_restore(d, X86_EAX);
}

/* A single step and a virtual IOPL are the interpreter's. The second byte of the new flags has
 * them; the table says of each value whether ECX can be given back (0), or the access faults, as at
 * a landing. TEST and a branch would do, were it not for a guest that is stopped between them, with
 * flags that are neither the old ones nor the new. */
static void inline_popf(struct draft *d)
{
    mark(d);
    put_save(d, X86_ECX);
    mark_borrowed(d, ECX, 0);
    put(d, "\x0f\xb6\x4c\x24\x01", 5); /* movzx ecx, byte [esp + 1] */
    put(d, "\x36\x8b\x0c\x8d", 4);     /* mov ecx, ss:[ecx * 4 + table] */
    put_word(d, state_address(d, offsetof(struct translator_state, popf)));
    struct mark *m = mark_borrowed(d, ECX, 0);
    m->exit = TRANSLATOR_CALL_OUT;
    m->kind = X86_KIND_POPF;
    put(d, "\x36\x8b\x89", 3); /* mov ecx, ss:[ecx + words.ecx] */
    put_word(d, word_address(d, X86_ECX));
    mark(d)->retires = 1;
    put_byte(d, 0x9d); /* popf */
}

/* A hint to others who share the core; here it would leave the translated code. */
static void inline_pause(struct draft *d)
{
    enum { NOP = 0x90 };
    mark(d)->retires = 1;
    put_byte(d, NOP);
}

static void inline_read_state(struct draft *d, unsigned reg, size_t offset)
{
    enum { MOV_LOAD = 0x8b };
    mark(d)->retires = 1;
    put_absolute(d, MOV_LOAD, reg, state_address(d, offset));
}

static void inline_push_state(struct draft *d, size_t offset)
{
    enum { PUSH = 0xff, PUSH_REG = 6 };
    mark(d)->retires = 1;
    put_absolute(d, PUSH, PUSH_REG, state_address(d, offset));
}

/* Where translations find a word of the virtual processor: VMM_OP_READ, _PUSH. */
static size_t word_offset(unsigned word)
{
    return word < VMM_WORD_SELECTOR
               ? offsetof(struct translator_state, cr) + word * sizeof(uint32_t)
               : offsetof(struct translator_state, selector) +
                     (word - VMM_WORD_SELECTOR) * sizeof(uint32_t);
}

/* ---- one instruction ---- */

static void put_identical(struct draft *d, const struct x86_instruction *insn)
{
    mark(d)->retires = 1;
    put(d, d->bytes, insn->length);
}

static void put_branch(struct draft *d, const struct x86_instruction *insn, uint32_t target)
{
    if (insn->kind == X86_KIND_JCC)
        branch_jcc(d, insn, target);
    else
        branch_loop(d, insn, target);
}

static enum vmm_treatment treatment_of(const struct x86_instruction *insn, unsigned kind)
{
    switch (kind) {
    case VMM_OP_COPY:
        return insn->kind == X86_KIND_RDTSC ? VMM_TREATED_INLINE : VMM_TREATED_IDENTICAL;
    case VMM_OP_NOTHING:
    case VMM_OP_PUSH_FLAGS:
    case VMM_OP_POP_FLAGS:
    case VMM_OP_READ:
    case VMM_OP_PUSH: return VMM_TREATED_INLINE;
    case VMM_OP_JUMP:
    case VMM_OP_BRANCH:
    case VMM_OP_CALL: return VMM_TREATED_BRANCH;
    case VMM_OP_JUMP_INDIRECT:
    case VMM_OP_CALL_INDIRECT:
    case VMM_OP_RET: return VMM_TREATED_INDIRECT;
    default: return VMM_TREATED_CALL_OUT;
    }
}

static void put_op(struct draft *d, const struct x86_instruction *insn, const struct vmm_op *op,
                   unsigned kind)
{
    switch (kind) {
    case VMM_OP_COPY: put_identical(d, insn); break;
    case VMM_OP_NOTHING: inline_pause(d); break;
    case VMM_OP_PUSH_FLAGS: inline_pushf(d); break;
    case VMM_OP_POP_FLAGS: inline_popf(d); break;
    case VMM_OP_READ: inline_read_state(d, op->gpr, word_offset(op->word)); break;
    case VMM_OP_PUSH: inline_push_state(d, word_offset(op->word)); break;
    case VMM_OP_JUMP: branch_jmp(d, op->target); break;
    case VMM_OP_BRANCH: put_branch(d, insn, op->target); break;
    case VMM_OP_CALL: branch_call(d, op); break;
    case VMM_OP_JUMP_INDIRECT: indirect_jmp(d, insn); break;
    case VMM_OP_CALL_INDIRECT: indirect_call(d, insn, op->value); break;
    case VMM_OP_RET: indirect_ret(d, op->value); break;
    default: put_call_out(d, TRANSLATOR_CALL_OUT, insn->kind); break;
    }
}

void emit_traced(struct draft *d, const struct x86_instruction *insn)
{
    unsigned first = d->marks;
    put_call_out(d, TRANSLATOR_TRACED, insn->kind);
    d->mark[first].treatment = VMM_TREATED_CALL_OUT;
}

enum vmm_treatment emit_op(struct draft *d, const struct x86_instruction *insn,
                           const struct vmm_op *op, bool shadowed)
{
    /* The shadow lasts for one instruction of the cache's, too. */
    unsigned kind = shadowed && op->kind != VMM_OP_COPY ? VMM_OP_CALL_OUT : (unsigned)op->kind;
    enum vmm_treatment treatment = treatment_of(insn, kind);
    unsigned first = d->marks;
    put_op(d, insn, op, kind);
    for (unsigned i = first; i < d->marks; i++)
        d->mark[i].treatment = treatment & 7u;
    return treatment;
}
