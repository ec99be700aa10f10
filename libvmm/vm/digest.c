/* The state digest: one number for everything that a guest can tell its state by. Registers field
 * by field (structures have padding), guest-physical memory, devices, virtual time.
 *
 * Of the page tables in use the accessed bits are left out: the processor may set them ahead of the
 * program, and caches translations (SDM volume 3, sections 4.8 and 4.10.4.2), so that two correct
 * machines differ in them. Where the guest cleared a dirty bit and did not invalidate, they may
 * differ in that as well; such a guest's digests may, too. */
#include "digest.h"

#include <string.h>

#include "arch/x86/walk.h"
#include "machine/board.h"
#include "vm.h"

enum { ENTRIES = 1024, LANES = 8 };

/* ---- the processor ---- */

static uint64_t mix_segment(uint64_t hash, const struct x86_segment *segment)
{
    hash = digest_mix(hash, (uint64_t)segment->selector << 32 | segment->base);
    return digest_mix(hash, (uint64_t)segment->limit << 32 | segment->attributes);
}

static uint64_t mix_state(uint64_t hash, const struct cpu_state *s)
{
    for (unsigned i = 0; i < 8; i++)
        hash = digest_mix(hash, s->gpr[i]);
    /* The engine clears RF only at the end of a block. */
    hash = digest_mix(hash, (uint64_t)s->eip << 32 | (s->eflags & ~(uint32_t)X86_RF));
    for (unsigned i = 0; i < X86_SREGS; i++)
        hash = mix_segment(hash, &s->seg[i]);
    hash = mix_segment(hash, &s->ldtr);
    hash = mix_segment(hash, &s->tr);
    hash = digest_mix(hash, (uint64_t)s->gdtr.base << 16 | s->gdtr.limit);
    hash = digest_mix(hash, (uint64_t)s->idtr.base << 16 | s->idtr.limit);
    hash = digest_mix(hash, (uint64_t)s->cr0 << 32 | s->cr2);
    hash = digest_mix(hash, (uint64_t)s->cr3 << 32 | s->cr4);
    for (unsigned i = 0; i < 8; i++)
        hash = digest_mix(hash, s->dr[i]);
    return digest_mix(hash, s->cpl);
}

/* ---- memory ---- */

static bool is_live(const struct digest_live *live, uint32_t frame)
{
    return live->bits[frame / 8] >> frame % 8 & 1;
}

static void note(struct digest_live *live, const struct vmm_vm *vm, uint32_t address)
{
    uint32_t frame = address >> 12;
    if (address < vm_memory_size(vm))
        live->bits[frame / 8] |= (uint8_t)(1u << frame % 8);
}

static void find_descriptors(struct digest_live *live, const struct vmm_vm *vm, uint32_t base,
                             uint32_t size)
{
    enum { ACCESS_BYTE = 5, SIZE = 8 };
    uint32_t at = base + ACCESS_BYTE, count = size / SIZE;
    struct x86_walk walk;
    while (count && live->stretch_count < DIGEST_STRETCHES) {
        uint32_t here = (X86_PAGE_SIZE - (at & ~X86_PAGE_MASK) + SIZE - 1) / SIZE;
        here = here < count ? here : count;
        if (x86_probe(vm->dispatcher.guest, vm->dispatcher.linear, at, 0, &walk) == X86_OK &&
            walk.end == X86_WALK_MAPPED) {
            uint32_t physical = vm_physical(vm, walk.physical);
            if (physical < vm_memory_size(vm))
                live->stretches[live->stretch_count++] = (struct digest_stretch){physical, here};
        }
        at += here * SIZE;
        count -= here;
    }
}

void digest_find_live(struct digest_live *live, const struct vmm_vm *vm)
{
    const struct cpu_state *s = vm->dispatcher.guest;
    memset(live, 0, sizeof *live);
    if (s->cr0 & X86_CR0_PE) {
        find_descriptors(live, vm, s->gdtr.base, s->gdtr.limit + 1u);
        if (s->ldtr.attributes & X86_SEG_PRESENT)
            find_descriptors(live, vm, s->ldtr.base, s->ldtr.limit + 1u);
    }
    if (!x86_paging(s) || !x86_paging_supported(s))
        return;
    const uint32_t root = vm_physical(vm, s->cr3 & X86_PAGE_MASK);
    note(live, vm, root);
    const uint8_t *directory = vm_page(vm, root);
    for (unsigned i = 0; directory && i < ENTRIES; i++) {
        uint32_t entry;
        memcpy(&entry, directory + 4 * i, sizeof entry);
        bool large = (entry & X86_PTE_PS) && (s->cr4 & X86_CR4_PSE);
        if ((entry & X86_PTE_P) && !large)
            note(live, vm, vm_physical(vm, entry));
    }
}

/* Returns how many bits were left out. The bits of an entry that is not present are software's. */
static unsigned mask_entries(uint8_t *page)
{
    unsigned masked = 0;
    uint32_t entries[ENTRIES];
    memcpy(entries, page, X86_PAGE_SIZE);
    for (unsigned i = 0; i < ENTRIES; i++) {
        bool accessed = (entries[i] & X86_PTE_P) && (entries[i] & X86_PTE_A);
        masked += accessed;
        entries[i] &= ~(accessed ? (uint32_t)X86_PTE_A : 0);
    }
    memcpy(page, entries, X86_PAGE_SIZE);
    return masked;
}

/* System descriptors (S = 0) have no accessed bit. */
static unsigned mask_descriptors(uint8_t *page, const struct digest_stretch *stretch)
{
    enum { S = 1 << 4, ACCESSED = 1 << 0, SIZE = 8 };
    unsigned masked = 0;
    uint8_t *byte = page + (stretch->physical & ~X86_PAGE_MASK);
    for (uint32_t i = 0; i < stretch->count; i++, byte += SIZE)
        if ((*byte & S) && (*byte & ACCESSED)) {
            *byte &= (uint8_t)~ACCESSED;
            masked++;
        }
    return masked;
}

static bool is_masked(const struct digest_live *live, uint32_t address)
{
    for (unsigned i = 0; i < live->stretch_count; i++)
        if ((live->stretches[i].physical & X86_PAGE_MASK) == address)
            return true;
    return is_live(live, address >> 12);
}

unsigned digest_mask(const struct digest_live *live, uint32_t address, const uint8_t *page,
                     uint8_t *copy)
{
    unsigned masked = 0;
    memcpy(copy, page, X86_PAGE_SIZE);
    for (unsigned i = 0; i < live->stretch_count; i++)
        if ((live->stretches[i].physical & X86_PAGE_MASK) == address)
            masked += mask_descriptors(copy, &live->stretches[i]);
    return masked + (is_live(live, address >> 12) ? mask_entries(copy) : 0);
}

static bool all_zero(const uint8_t *page)
{
    return *page == 0 && memcmp(page, page + 1, X86_PAGE_SIZE - 1) == 0;
}

/* Several lanes, because each step waits for the one before it. */
static uint64_t mix_page(uint64_t hash, const uint8_t *page)
{
    uint64_t lanes[LANES], words[LANES];
    for (unsigned lane = 0; lane < LANES; lane++)
        lanes[lane] = lane;
    for (unsigned at = 0; at < X86_PAGE_SIZE; at += sizeof words) {
        memcpy(words, page + at, sizeof words);
        for (unsigned lane = 0; lane < LANES; lane++)
            lanes[lane] = digest_mix(lanes[lane], words[lane]);
    }
    for (unsigned lane = 0; lane < LANES; lane++)
        hash = digest_mix(hash, lanes[lane]);
    return hash;
}

/* Pages of zeros, most of them, are known by their absence. */
static uint64_t mix_memory(uint64_t hash, const struct vmm_vm *vm)
{
    struct digest_live live;
    digest_find_live(&live, vm);
    memory_populate(&vm->machine->memory);
    for (uint32_t at = 0; at < vm_memory_size(vm); at += X86_PAGE_SIZE) {
        uint8_t copy[X86_PAGE_SIZE];
        const uint8_t *page = vm_page(vm, at);
        if (!page || all_zero(page))
            continue;
        if (is_masked(&live, at)) {
            digest_mask(&live, at, page, copy);
            page = copy;
        }
        hash = mix_page(digest_mix(hash, at), page);
    }
    return digest_mix(hash, vm_memory_size(vm));
}

unsigned vmm_digest_masked(const struct vmm_vm *vm)
{
    struct digest_live live;
    unsigned masked = 0;
    if (!vm)
        return 0;
    digest_find_live(&live, vm);
    for (uint32_t at = 0; at < vm_memory_size(vm); at += X86_PAGE_SIZE) {
        uint8_t copy[X86_PAGE_SIZE];
        const uint8_t *page = is_masked(&live, at) ? vm_page(vm, at) : 0;
        masked += page ? digest_mask(&live, at, page, copy) : 0;
    }
    return masked;
}

uint64_t digest_processor(uint64_t hash, const struct vmm_vm *vm)
{
    return digest_mix(mix_state(hash, vm->dispatcher.guest), vm->dispatcher.halted);
}

uint64_t vmm_digest(const struct vmm_vm *vm)
{
    if (!vm)
        return 0;
    uint64_t hash = digest_processor(0, vm);
    hash = mix_memory(hash, vm);
    hash = digest_board(hash, &vm->board);
    if (vm->machine->cpu.host_clock)
        return hash;
    return digest_mix(hash, dispatcher_time(&vm->dispatcher));
}
