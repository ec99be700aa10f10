/* A core file of the guest (System V ABI, "Object Files": ET_CORE; Linux's struct elf_prstatus for
 * i386), as gdb reads it:
 *
 *     ELF header | program headers | PT_NOTE's note | guest-physical memory, page by page
 *
 * Memory is written once, and each PT_LOAD is a window on it: the guest's page tables decide which
 * linear addresses show which part. So the file is as large as memory however often the guest maps
 * it, and p_paddr is the guest-physical address. */
#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86/walk.h"
#include "vm.h"
#include "vmm/postmortem.h"

enum { PAGES = 1 << 20, MOST_WINDOWS = 60000, CORE_SIGSEGV = 11, CORE_SIGTRAP = 5 };

/* A run of linear pages that lie side by side in physical memory. */
struct window {
    uint32_t linear, physical;
    uint64_t size;
};

struct windows {
    struct window *list;
    uint32_t count, room;
};

/* ---- which memory is where ---- */

static bool add(struct windows *windows, uint32_t linear, uint32_t physical, uint64_t size)
{
    if (windows->count) {
        struct window *last = &windows->list[windows->count - 1];
        if (last->linear + last->size == linear && last->physical + last->size == physical) {
            last->size += size;
            return true;
        }
    }
    if (windows->count == windows->room) {
        uint32_t room = windows->room ? 2 * windows->room : 64;
        struct window *list = realloc(windows->list, room * sizeof *list);
        if (!list)
            return false;
        windows->list = list;
        windows->room = room;
    }
    windows->list[windows->count++] = (struct window){linear, physical, size};
    return true;
}

/* A guest that maps its pages in a wild order has more windows than a debugger can bear: those at
 * the highest addresses are left out. */
static bool find_windows(const struct vmm_vm *vm, struct windows *windows)
{
    const struct cpu_state *s = vm->dispatcher.guest;
    uint32_t size = vm_memory_size(vm);
    if (!x86_paging(s))
        return add(windows, 0, 0, size);
    for (uint32_t page = 0; page < PAGES && windows->count < MOST_WINDOWS;) {
        struct x86_walk walk;
        uint32_t linear = page << 12, pages = 1;
        if (x86_probe(s, vm->dispatcher.linear, linear, 0, &walk) != X86_OK)
            walk.end = X86_WALK_PTE_NOT_PRESENT;
        /* What the directory entry decides holds for its 4 MB. */
        if (walk.levels == 1)
            pages = 1024;
        if (walk.end == X86_WALK_MAPPED && walk.physical < size) {
            uint64_t length = (uint64_t)pages << 12;
            if (length > size - walk.physical)
                length = size - walk.physical;
            if (!add(windows, linear, walk.physical, length))
                return false;
        }
        page += pages;
    }
    return true;
}

/* ---- the note ---- */

struct note {
    Elf32_Nhdr header;
    char name[8]; /* "CORE", padded to words */
    struct {      /* Linux's struct elf_prstatus */
        int32_t signal, code, error;
        int16_t current_signal, padding;
        uint32_t pending, held;
        int32_t pid, ppid, pgrp, sid;
        int32_t times[8];
        uint32_t registers[17]; /* struct user_regs_struct */
        int32_t has_fpu;
    } status;
};
_Static_assert(sizeof(struct note) == 12 + 8 + 144, "struct elf_prstatus of i386 has 144 bytes");

static struct note make_note(const struct vmm_vm *vm)
{
    const struct cpu_state *s = vm->dispatcher.guest;
    int16_t signal = vm->stop == VMM_STOP_SHUTDOWN ? CORE_SIGSEGV : CORE_SIGTRAP;
    return (struct note){
        .header = {.n_namesz = sizeof "CORE", .n_descsz = 144, .n_type = NT_PRSTATUS},
        .name = "CORE",
        .status = {.signal = signal,
                   .current_signal = signal,
                   .pid = 1,
                   .registers = {s->gpr[X86_EBX], s->gpr[X86_ECX], s->gpr[X86_EDX], s->gpr[X86_ESI],
                                 s->gpr[X86_EDI], s->gpr[X86_EBP], s->gpr[X86_EAX],
                                 s->seg[X86_DS].selector, s->seg[X86_ES].selector,
                                 s->seg[X86_FS].selector, s->seg[X86_GS].selector,
                                 UINT32_MAX /* no system call */, s->eip, s->seg[X86_CS].selector,
                                 s->eflags, s->gpr[X86_ESP], s->seg[X86_SS].selector}}};
}

/* ---- the file ---- */

static uint32_t headers_size(const struct windows *windows)
{
    return (uint32_t)(sizeof(Elf32_Ehdr) + (windows->count + 1) * sizeof(Elf32_Phdr));
}

static uint32_t memory_offset(const struct windows *windows)
{
    return (headers_size(windows) + (uint32_t)sizeof(struct note) + X86_PAGE_SIZE - 1) &
           X86_PAGE_MASK;
}

static bool write_headers(const struct windows *windows, vmm_write *write, void *context)
{
    const Elf32_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_386,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof header,
        .e_ehsize = sizeof header,
        .e_phentsize = sizeof(Elf32_Phdr),
        .e_phnum = (Elf32_Half)(windows->count + 1)};
    const Elf32_Phdr note = {
        .p_type = PT_NOTE, .p_offset = headers_size(windows), .p_filesz = sizeof(struct note)};
    bool written = write(context, (const char *)&header, sizeof header) &&
                   write(context, (const char *)&note, sizeof note);
    for (uint32_t i = 0; i < windows->count && written; i++) {
        const struct window *window = &windows->list[i];
        const Elf32_Phdr load = {.p_type = PT_LOAD,
                                 .p_offset = memory_offset(windows) + window->physical,
                                 .p_vaddr = window->linear,
                                 .p_paddr = window->physical,
                                 .p_filesz = (Elf32_Word)window->size,
                                 .p_memsz = (Elf32_Word)window->size,
                                 .p_flags = PF_R | PF_W | PF_X,
                                 .p_align = X86_PAGE_SIZE};
        written = write(context, (const char *)&load, sizeof load);
    }
    return written;
}

static bool write_memory(const struct vmm_vm *vm, vmm_write *write, void *context)
{
    static const char nothing[X86_PAGE_SIZE];
    for (uint32_t at = 0; at < vm_memory_size(vm); at += X86_PAGE_SIZE) {
        const uint8_t *page = vm_page(vm, at);
        if (!write(context, page ? (const char *)page : nothing, X86_PAGE_SIZE))
            return false;
    }
    return true;
}

int vmm_core(const struct vmm_vm *vm, vmm_write *write, void *context)
{
    static const char padding[X86_PAGE_SIZE];
    struct windows windows = {0};
    const struct note note = make_note(vm);
    int code = VMM_E_MEMORY;
    if (find_windows(vm, &windows)) {
        size_t gap = memory_offset(&windows) - headers_size(&windows) - sizeof note;
        bool written = write_headers(&windows, write, context) &&
                       write(context, (const char *)&note, sizeof note) &&
                       write(context, padding, gap) && write_memory(vm, write, context);
        code = written ? VMM_OK : VMM_E_IO;
    }
    free(windows.list);
    return code;
}
