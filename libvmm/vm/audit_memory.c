/* Comparing the memories of two machines: what was written since they were equal last, by the dirty
 * log (machine/dirty.h), and what differs for a good reason: accessed bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "digest.h"
#include "machine/dirty.h"
#include "vm.h"
#include "vmm/debug.h"

enum { WORDS = 1 << 16 };

struct audit_words {
    size_t count;
    struct {
        uint32_t address, difference;
    } word[WORDS];
};

/* ---- words that differ ---- */

static void compare_page(struct audit_words *words, uint32_t address, const uint8_t *a,
                         const uint8_t *b)
{
    for (uint32_t at = 0; at < X86_PAGE_SIZE && words->count < WORDS; at += 4) {
        uint32_t x, y;
        memcpy(&x, a + at, sizeof x);
        memcpy(&y, b + at, sizeof y);
        if (x != y) {
            words->word[words->count].address = address + at;
            words->word[words->count++].difference = x ^ y;
        }
    }
}

struct audit_words *audit_words(const struct audit_pair *pair)
{
    struct audit_words *words = malloc(sizeof *words);
    if (!words)
        return 0;
    words->count = 0;
    for (uint32_t at = 0; at < vm_memory_size(pair->bare.vm); at += X86_PAGE_SIZE) {
        const uint8_t *a = vm_page(pair->bare.vm, at), *b = vm_page(pair->other.vm, at);
        if (a && b && memcmp(a, b, X86_PAGE_SIZE) != 0)
            compare_page(words, at, a, b);
    }
    return words;
}

/* Does the page look like a page table, whose present entries all lead to memory? */
static bool is_page_table(const struct vmm_vm *vm, const uint8_t *page)
{
    for (unsigned at = 0; at < X86_PAGE_SIZE; at += 4) {
        uint32_t entry;
        memcpy(&entry, page + at, sizeof entry);
        if ((entry & X86_PTE_P) && (entry & X86_PAGE_MASK) >= vm_memory_size(vm))
            return false;
    }
    return true;
}

/* Accessed bits may differ between two correct machines (see digest.c). The digest leaves them out
 * in the tables that are in use; those of an address space that is not in use just now have them,
 * too, and are told by their looks. */
static bool is_accessed_bit(const struct audit_pair *pair, uint32_t address, uint32_t difference)
{
    const uint8_t *page = vm_page(pair->bare.vm, address & X86_PAGE_MASK);
    uint32_t entry;
    memcpy(&entry, page + (address & ~X86_PAGE_MASK), sizeof entry);
    return difference == X86_PTE_A && (entry & X86_PTE_P) && is_page_table(pair->bare.vm, page);
}

/* Both lists are in the order of addresses. */
void audit_memory_compare(const struct audit_pair *pair, const struct audit_words *before,
                          struct vmm_audit_divergence *d)
{
    struct audit_words *now = audit_words(pair);
    size_t old = 0, had = before ? before->count : 0;
    for (size_t i = 0; now && i < now->count; i++) {
        uint32_t address = now->word[i].address, bare = 0, vm = 0;
        while (old < had && before->word[old].address < address)
            old++;
        if (old < had && before->word[old].address == address &&
            before->word[old].difference == now->word[i].difference)
            continue;
        if (is_accessed_bit(pair, address, now->word[i].difference))
            continue;
        char name[32];
        snprintf(name, sizeof name, "memory 0x%08x", address);
        vmm_read_physical(pair->bare.vm, address, &bare, sizeof bare);
        vmm_read_physical(pair->other.vm, address, &vm, sizeof vm);
        audit_add_number(d, name, bare, vm);
    }
    free(now);
}

/* ---- what was written ---- */

struct audit_memory {
    uint32_t pages;
    uint32_t *page;            /* guest-physical page number by the technique's machine frame */
    bool *suspect;             /* by page: to be looked at */
    uint32_t *suspects, count; /* the same, as a list */
    uint32_t epoch[2];         /* of the bare machine's dirty log, and of the technique's */
    struct digest_live live;
};

uint32_t *audit_pages(const struct vmm_vm *vm)
{
    uint32_t frames = memory_frames(&vm->machine->memory);
    uint32_t *page = malloc(frames * sizeof *page);
    if (!page)
        return 0;
    memset(page, 0xff, frames * sizeof *page);
    for (uint32_t at = 0; at < vm_memory_size(vm); at += X86_PAGE_SIZE)
        page[vm_frame(vm, at)] = at >> MEMORY_FRAME_SHIFT;
    return page;
}

const uint32_t *audit_frames(const struct audit_memory *memory)
{
    return memory->page;
}

struct audit_memory *audit_memory_new(const struct audit_pair *pair)
{
    struct audit_memory *memory = calloc(1, sizeof *memory);
    if (!memory)
        return 0;
    memory->pages = vm_memory_size(pair->bare.vm) >> MEMORY_FRAME_SHIFT;
    memory->page = audit_pages(pair->other.vm);
    memory->suspect = calloc(memory->pages, sizeof *memory->suspect);
    memory->suspects = calloc(memory->pages, sizeof *memory->suspects);
    if (memory->page && memory->suspect && memory->suspects)
        return memory;
    audit_memory_free(memory);
    return 0;
}

void audit_memory_free(struct audit_memory *memory)
{
    if (!memory)
        return;
    free(memory->page);
    free(memory->suspect);
    free(memory->suspects);
    free(memory);
}

static void suspect(void *context, uint32_t page)
{
    struct audit_memory *memory = context;
    if (page >= memory->pages || memory->suspect[page])
        return;
    memory->suspect[page] = true;
    memory->suspects[memory->count++] = page;
}

static void suspect_frame(void *context, uint32_t frame)
{
    struct audit_memory *memory = context;
    suspect(memory, memory->page[frame]);
}

/* Do the pages differ in nothing but accessed bits? */
static bool excused(const struct audit_memory *memory, const struct audit_pair *pair,
                    uint32_t address)
{
    uint8_t a[X86_PAGE_SIZE], b[X86_PAGE_SIZE];
    digest_mask(&memory->live, address, vm_page(pair->bare.vm, address), a);
    digest_mask(&memory->live, address, vm_page(pair->other.vm, address), b);
    for (uint32_t at = 0; at < X86_PAGE_SIZE; at += 4) {
        uint32_t x, y;
        memcpy(&x, a + at, sizeof x);
        memcpy(&y, b + at, sizeof y);
        if (x != y && !is_accessed_bit(pair, address + at, x ^ y))
            return false;
    }
    return true;
}

bool audit_memory_same(struct audit_memory *memory, const struct audit_pair *pair)
{
    struct vmm_vm *a = pair->bare.vm, *b = pair->other.vm;
    uint32_t left = 0;
    dirty_visit(&a->machine->cpu, memory->epoch[0], suspect, memory);
    dirty_visit(&b->machine->cpu, memory->epoch[1], suspect_frame, memory);
    memory->epoch[0] = dirty_epoch(&a->machine->cpu);
    memory->epoch[1] = dirty_epoch(&b->machine->cpu);
    bool live = false;
    for (uint32_t i = 0; i < memory->count; i++) {
        uint32_t page = memory->suspects[i], address = page << MEMORY_FRAME_SHIFT;
        memory->suspect[page] =
            memcmp(vm_page(a, address), vm_page(b, address), X86_PAGE_SIZE) != 0;
        if (!memory->suspect[page])
            continue;
        if (!live)
            digest_find_live(&memory->live, a);
        live = true;
        memory->suspects[left++] = page; /* whatever the reason, it stays under suspicion */
        if (!excused(memory, pair, address)) {
            for (i++; i < memory->count; i++)
                memory->suspects[left++] = memory->suspects[i];
            memory->count = left;
            return false;
        }
    }
    memory->count = left;
    return true;
}
