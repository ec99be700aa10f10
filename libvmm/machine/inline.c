/* Replacing the compiled block call by machine code of our own. See inline.h. */
#define _GNU_SOURCE /* process_vm_writev */
#include "inline.h"

#include "blocks.h"

#if defined(__x86_64__) && defined(__linux__)

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* The compiled call, from its start to where it returns:
 *
 *     48 BF engine      mov rdi, engine        0
 *     BE pc             mov esi, pc           10
 *     BA size           mov edx, size         15
 *     48 B9 context     mov rcx, context      20
 *     FF 15 offset      call [rip + offset]   30
 */
enum { CALL = 36, PC = 10, SIZE = 15, CONTEXT = 20, INDIRECT = 30 };

/* Machine code is put together here. */
struct code {
    uint8_t bytes[CALL];
    unsigned length;
};

static void emit(struct code *code, const void *bytes, unsigned count)
{
    memcpy(code->bytes + code->length, bytes, count);
    code->length += count;
}

static void emit_byte(struct code *code, uint8_t byte)
{
    emit(code, &byte, 1);
}

static void emit_word(struct code *code, uint32_t word)
{
    emit(code, &word, sizeof word);
}

static void emit_pointer(struct code *code, uintptr_t pointer)
{
    emit(code, &pointer, sizeof pointer);
}

/* ---- the way out ---- */

/* Maps a page within reach of a relative jump from `site`. */
static void *map_near(uintptr_t site)
{
    const intptr_t step = 128 << 20, reach = (intptr_t)2000 << 20;
    for (intptr_t distance = step; distance < reach; distance += step)
        for (int sign = -1; sign <= 1; sign += 2) {
            uintptr_t wanted = (site + (uintptr_t)(sign * distance)) & ~(uintptr_t)4095;
            void *page = mmap((void *)wanted, 4096, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
            if (page == (void *)wanted)
                return page;
            if (page != MAP_FAILED)
                munmap(page, 4096);
        }
    return 0;
}

/* Arrives with the entry in RCX and the block's id in EAX:
 *
 *     48 89 CF          mov rdi, rcx
 *     89 C6             mov esi, eax
 *     48 B8 function    mov rax, blocks_attend
 *     FF D0             call rax
 *     FF E0             jmp rax
 */
static bool make_exit(struct cpu *cpu, uintptr_t site)
{
    struct code code = {.length = 0};
    emit(&code, "\x48\x89\xcf\x89\xc6\x48\xb8", 7);
    emit_pointer(&code, (uintptr_t)blocks_attend);
    emit(&code, "\xff\xd0\xff\xe0", 4);
    void *page = map_near(site);
    if (!page)
        return false;
    memcpy(page, code.bytes, code.length);
    if (mprotect(page, 4096, PROT_READ | PROT_EXEC)) {
        munmap(page, 4096);
        return false;
    }
    cpu->inline_exit = page;
    return true;
}

/* The kernel writes a byte over itself there, or refuses without harm. */
static bool writable(uintptr_t address)
{
    uint8_t byte = *(const uint8_t *)address;
    struct iovec from = {&byte, 1}, to = {(void *)address, 1};
    return process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 1;
}

/* ---- entries ---- */

static bool is_the_call(const struct cpu *cpu, const struct block *block)
{
    const uint8_t *call = (const uint8_t *)block->site - CALL;
    uintptr_t context;
    uint32_t pc, size;
    memcpy(&context, call + CONTEXT + 2, sizeof context);
    memcpy(&pc, call + PC + 1, sizeof pc);
    memcpy(&size, call + SIZE + 1, sizeof size);
    return call[0] == 0x48 && call[1] == 0xbf && call[PC] == 0xbe && pc == block->pc &&
           call[SIZE] == 0xba && size == block->size && call[CONTEXT] == 0x48 &&
           call[CONTEXT + 1] == 0xb9 && context == (uintptr_t)cpu && call[INDIRECT] == 0xff &&
           call[INDIRECT + 1] == 0x15;
}

static void jump_out(const struct cpu *cpu, const struct block *block, struct code *code,
                     uint8_t condition)
{
    uintptr_t behind = block->site - CALL + code->length + 6;
    emit_byte(code, 0x0f);
    emit_byte(code, condition);
    emit_word(code, (uint32_t)((uintptr_t)cpu->inline_exit - behind));
}

static void fill(struct code *code)
{
    static const uint8_t nop[8] = {0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0};
    if (code->length + sizeof nop <= CALL)
        emit(code, nop, sizeof nop);
    while (code->length < CALL)
        emit_byte(code, 0x90);
}

/* With virtual time: the block's instructions come off the budget, and it is the current one. */
static void emit_count(const struct cpu *cpu, const struct block *block, struct code *code)
{
    enum { JS = 0x88 };
    if (block->count < 128) {
        emit(code, "\x48\x83\x29", 3); /* sub qword [rcx], count */
        emit_byte(code, (uint8_t)block->count);
    } else {
        emit(code, "\x48\x81\x29", 3);
        emit_word(code, block->count);
    }
    jump_out(cpu, block, code, JS);
    emit(code, "\x89\x41\x08", 3); /* mov [rcx + 8], eax */
}

/* A repetition was counted as a whole when it began: it may go on while it is the current block. */
static void emit_repeat(const struct cpu *cpu, const struct block *block, struct code *code)
{
    enum { JNE = 0x85 };
    emit(code, "\x39\x41\x08", 3); /* cmp [rcx + 8], eax */
    jump_out(cpu, block, code, JNE);
}

/* With the host's clock: the block is the current one, unless somebody wants something. */
static void emit_look(const struct cpu *cpu, const struct block *block, struct code *code)
{
    enum { JNE = 0x85 };
    emit(code, "\x83\x79\x0c\x00", 4); /* cmp dword [rcx + 12], 0 */
    jump_out(cpu, block, code, JNE);
    emit(code, "\x89\x41\x08", 3);
}

_Static_assert(offsetof(struct cpu_entry, budget) == 0 && offsetof(struct cpu_entry, block) == 8 &&
                   offsetof(struct cpu_entry, tick) == 12 &&
                   offsetof(struct cpu_entry, attend) == 14 && sizeof(struct cpu_entry) == 16,
               "the offsets in the instructions above");

void inline_entry(struct cpu *cpu, uint32_t id)
{
    const struct block *block = &cpu->blocks[id];
    if (cpu->inline_refused || !is_the_call(cpu, block))
        return;
    if (!cpu->inline_exit && (!writable(block->site - CALL) || !make_exit(cpu, block->site))) {
        cpu->inline_refused = true;
        return;
    }
    struct code code = {.length = 0};
    emit(&code, "\x48\xb9", 2); /* mov rcx, entry */
    emit_pointer(&code, (uintptr_t)&cpu->entry);
    emit_byte(&code, 0xb8); /* mov eax, id */
    emit_word(&code, id);
    if (cpu->host_clock)
        emit_look(cpu, block, &code);
    else if (block->flags & BLOCK_REP_FIRST)
        emit_repeat(cpu, block, &code);
    else
        emit_count(cpu, block, &code);
    fill(&code);
    memcpy((uint8_t *)block->site - CALL, code.bytes, CALL);
}

void inline_destroy(struct cpu *cpu)
{
    if (cpu->inline_exit)
        munmap(cpu->inline_exit, 4096);
}

#else

void inline_entry(struct cpu *cpu, uint32_t id)
{
    (void)cpu;
    (void)id;
}

void inline_destroy(struct cpu *cpu)
{
    (void)cpu;
}

#endif
