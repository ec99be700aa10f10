/* The Multiboot 1 loader (Multiboot Specification 0.6.96): finds the header, loads the ELF segments
 * or the range that the header itself gives, puts modules on pages behind the kernel, and passes
 * the information structure in EBX.
 *
 * The entry point of an ELF file may be virtual, in a kernel linked high and loaded low: it is then
 * moved by p_paddr - p_vaddr of the segment that holds it. Flag 2 (video mode) is a wish that a
 * text machine does not fulfil; it is accepted. */
#include <string.h>

#include "error.h"
#include "loader_plan.h"

#define SEARCH         8192u
#define HEADER_MAGIC   0x1badb002u
#define LOADER_MAGIC   0x2badb002u
#define FLAG_ADDRESSES (1u << 16)
#define FLAGS_KNOWN    0x0007u /* of bits 0-15, which the loader must understand */

enum { /* offsets in the header */
       HEADER_FLAGS = 4,
       HEADER_CHECKSUM = 8,
       HEADER_HEADER_ADDR = 12,
       HEADER_LOAD_ADDR = 16,
       HEADER_LOAD_END = 20,
       HEADER_BSS_END = 24,
       HEADER_ENTRY = 28,
       HEADER_LONG = 32, /* its length with the addresses */
};

enum { /* the information structure */
       INFO_FLAGS = 0,
       INFO_MEM_LOWER = 4,
       INFO_MEM_UPPER = 8,
       INFO_CMDLINE = 16,
       INFO_MODS_COUNT = 20,
       INFO_MODS_ADDR = 24,
       INFO_MMAP_LENGTH = 44,
       INFO_MMAP_ADDR = 48,
       INFO_LOADER_NAME = 64,
       INFO_SIZE = 88,
       INFO_HAS = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9,
       MODULE_SIZE = 16,
       MMAP_SIZE = 24,
};

enum { /* ELF-32 */
       ELF_CLASS = 4,
       ELF_DATA = 5,
       ELF_TYPE = 16,
       ELF_MACHINE = 18,
       ELF_ENTRY = 24,
       ELF_PHOFF = 28,
       ELF_PHENTSIZE = 42,
       ELF_PHNUM = 44,
       ELF_HEADER = 52,
       PH_TYPE = 0,
       PH_OFFSET = 4,
       PH_VADDR = 8,
       PH_PADDR = 12,
       PH_FILESZ = 16,
       PH_MEMSZ = 20,
       PH_SIZE = 32,
       PT_LOAD = 1,
};

static const char loader_name[] = "libvmm";

static bool is_elf(const struct loader_file *image)
{
    return image->size >= 16 && memcmp(image->bytes, "\177ELF", 4) == 0;
}

int64_t multiboot_header(const struct loader_file *image)
{
    uint32_t end = image->size < SEARCH ? image->size : SEARCH;
    for (uint32_t at = 0; at + 12 <= end; at += 4) {
        const uint8_t *header = image->bytes + at;
        uint32_t flags = get32(header + HEADER_FLAGS);
        if (get32(header) == HEADER_MAGIC &&
            HEADER_MAGIC + flags + get32(header + HEADER_CHECKSUM) == 0)
            return at;
    }
    return -1;
}

bool multiboot_loadable(const struct loader_file *image)
{
    int64_t at = multiboot_header(image);
    return at >= 0 && (is_elf(image) || (get32(image->bytes + at + HEADER_FLAGS) & FLAG_ADDRESSES));
}

/* Every mistake in an image ends here. */
static int bad(struct loader_plan *plan, const char *what)
{
    return error_set(plan->error, VMM_E_IMAGE, "%.80s: %s", plan_name(&plan->request->image), what);
}

static int check_elf(struct loader_plan *plan)
{
    const struct loader_file *image = &plan->request->image;
    const uint8_t *bytes = image->bytes;
    if (!is_elf(image))
        return bad(plan,
                   "its Multiboot header has no load addresses (flag 16) and it is not an ELF "
                   "file; link it as ELF or add the addresses");
    if (bytes[ELF_CLASS] == 2)
        return bad(plan, "it is a 64-bit ELF file; build the kernel for 32-bit x86 (-m32)");
    if (image->size < ELF_HEADER)
        return bad(plan, "its ELF header is truncated; build or copy it again");
    if (bytes[ELF_CLASS] != 1 || bytes[ELF_DATA] != 1 || get16(bytes + ELF_MACHINE) != 3)
        return bad(plan, "it is an ELF file for another processor; build it for 32-bit x86 (-m32)");
    if (get16(bytes + ELF_TYPE) != 2)
        return bad(plan, "it is not an executable ELF file; link it statically, without -pie");
    if (get16(bytes + ELF_PHENTSIZE) < PH_SIZE || get16(bytes + ELF_PHNUM) == 0)
        return bad(plan, "it has no program headers; link it with ld");
    uint64_t end = (uint64_t)get32(bytes + ELF_PHOFF) +
                   (uint64_t)get16(bytes + ELF_PHENTSIZE) * get16(bytes + ELF_PHNUM);
    if (end > image->size)
        return bad(plan,
                   "its program headers lie behind its end; it is truncated or damaged, build "
                   "or copy it again");
    return VMM_OK;
}

/* Plans one PT_LOAD; moves `entry` if the segment holds it. */
static int plan_segment(struct loader_plan *plan, const uint8_t *ph, uint32_t entry, int64_t *start)
{
    const struct loader_file *image = &plan->request->image;
    uint32_t offset = get32(ph + PH_OFFSET), filesz = get32(ph + PH_FILESZ);
    uint32_t vaddr = get32(ph + PH_VADDR), paddr = get32(ph + PH_PADDR);
    uint32_t memsz = get32(ph + PH_MEMSZ);
    if (filesz > memsz)
        return bad(plan, "a segment is larger in the file than in memory; it is damaged, link it "
                         "again");
    if (offset > image->size || filesz > image->size - offset)
        return bad(plan,
                   "a segment lies behind the end of the file; it is truncated, build or copy "
                   "it again");
    bool is_virtual = entry >= vaddr && entry - vaddr < memsz;
    if (is_virtual)
        *start = (int64_t)paddr + (entry - vaddr);
    else if (*start < 0 && entry >= paddr && entry - paddr < memsz)
        *start = entry;
    return plan_add(plan, "segment", paddr, memsz, image->bytes + offset, filesz);
}

static int plan_elf(struct loader_plan *plan, uint32_t *start)
{
    int status = check_elf(plan);
    if (status != VMM_OK)
        return status;
    const uint8_t *bytes = plan->request->image.bytes;
    const uint8_t *ph = bytes + get32(bytes + ELF_PHOFF);
    int64_t found = -1;
    for (unsigned i = 0; i < get16(bytes + ELF_PHNUM); i++, ph += get16(bytes + ELF_PHENTSIZE)) {
        if (get32(ph + PH_TYPE) != PT_LOAD)
            continue;
        status = plan_segment(plan, ph, get32(bytes + ELF_ENTRY), &found);
        if (status != VMM_OK)
            return status;
    }
    if (found < 0)
        return bad(plan, "its entry point is in none of its segments; check the linker script's "
                         "ENTRY");
    *start = (uint32_t)found;
    return VMM_OK;
}

/* The "a.out kludge": the header says what goes where. */
static int plan_addresses(struct loader_plan *plan, uint32_t header_at, uint32_t *start)
{
    const struct loader_file *image = &plan->request->image;
    if (image->size - header_at < HEADER_LONG)
        return bad(plan, "its Multiboot header is truncated; build or copy it again");
    const uint8_t *header = image->bytes + header_at;
    uint32_t header_addr = get32(header + HEADER_HEADER_ADDR);
    uint32_t load = get32(header + HEADER_LOAD_ADDR), load_end = get32(header + HEADER_LOAD_END);
    uint32_t bss_end = get32(header + HEADER_BSS_END), entry = get32(header + HEADER_ENTRY);
    if (header_addr < load || header_addr - load > header_at)
        return bad(plan, "the addresses in its Multiboot header put its load address before the "
                         "file's start; correct header_addr and load_addr");
    uint32_t from = header_at - (header_addr - load), available = image->size - from;
    if (load_end && load_end < load)
        return bad(plan, "load_end_addr of its Multiboot header lies before load_addr; correct it");
    uint32_t filled = load_end ? load_end - load : available;
    if (filled > available)
        return bad(plan, "load_end_addr of its Multiboot header lies behind the file's end; it is "
                         "truncated, build or copy it again");
    if (bss_end && bss_end < (uint64_t)load + filled)
        return bad(plan, "bss_end_addr of its Multiboot header lies before the end of the data; "
                         "correct it");
    uint32_t size = bss_end ? bss_end - load : filled;
    if (entry < load || entry - load >= size)
        return bad(plan, "entry_addr of its Multiboot header lies outside what is loaded; correct "
                         "it");
    *start = entry;
    return plan_add(plan, "kernel", load, size, image->bytes + from, filled);
}

/* The end of the kernel, not below 1 MB. */
static uint64_t planned_end(const struct loader_plan *plan)
{
    uint64_t end = HIGH_MEMORY;
    for (unsigned i = 0; i < plan->count; i++) {
        uint64_t piece = (uint64_t)plan->pieces[i].gpa + plan->pieces[i].size;
        end = piece > end ? piece : end;
    }
    return end;
}

/* Modules go to pages behind the kernel; their places into `where`. An empty one takes no place. */
static int plan_modules(struct loader_plan *plan, uint32_t where[LOADER_MODULES])
{
    for (size_t i = 0; i < plan->request->module_count; i++) {
        const struct loader_file *file = &plan->request->modules[i].file;
        if (!plan_find(plan, file->size, 4096, planned_end(plan), UINT64_MAX, &where[i]))
            return error_set(plan->error, VMM_E_MEMORY,
                             "%.80s: the module of %u bytes does not fit into memory behind the "
                             "kernel; give the machine more with -m",
                             plan_name(file), file->size);
        int status = plan_add(plan, "module", where[i], file->size, file->bytes, file->size);
        if (status != VMM_OK)
            return status;
    }
    return VMM_OK;
}

static uint32_t length_of(const char *string)
{
    return string ? (uint32_t)strnlen(string, PLAN_ARENA) + 1 : 1;
}

/* Copies a string behind what is there already; returns its guest address. */
static uint32_t put_string(uint8_t *info, uint32_t gpa, uint32_t *used, const char *string)
{
    uint32_t at = *used, length = length_of(string);
    if (string)
        memcpy(info + at, string, length - 1);
    *used += length;
    return gpa + at;
}

static void put_memory_map(const struct loader_plan *plan, uint8_t *info, uint32_t gpa,
                           uint32_t *used)
{
    struct memory_range map[MAP_ENTRIES];
    unsigned count = plan_memory_map(plan->memory->size, map);
    put32(info + INFO_MEM_LOWER, LOW_MEMORY_END / 1024);
    put32(info + INFO_MEM_UPPER, (plan->memory->size - HIGH_MEMORY) / 1024);
    put32(info + INFO_MMAP_LENGTH, count * MMAP_SIZE);
    put32(info + INFO_MMAP_ADDR, gpa + *used);
    for (unsigned i = 0; i < count; i++, *used += MMAP_SIZE) {
        uint8_t *entry = info + *used;
        put32(entry, MMAP_SIZE - 4); /* the size field itself does not count */
        put32(entry + 4, map[i].base);
        put32(entry + 12, map[i].size);
        put32(entry + 20, map[i].type);
    }
}

static void put_modules(const struct loader_plan *plan, uint8_t *info, uint32_t gpa, uint32_t *used,
                        const uint32_t *where)
{
    const struct loader_request *request = plan->request;
    uint32_t list = *used;
    put32(info + INFO_MODS_COUNT, (uint32_t)request->module_count);
    put32(info + INFO_MODS_ADDR, gpa + list);
    *used += MODULE_SIZE * (uint32_t)request->module_count;
    for (size_t i = 0; i < request->module_count; i++) {
        uint8_t *entry = info + list + MODULE_SIZE * i;
        put32(entry, where[i]);
        put32(entry + 4, where[i] + request->modules[i].file.size);
        put32(entry + 8, put_string(info, gpa, used, request->modules[i].cmdline));
    }
}

/* The information structure, memory map, module list and strings, in one piece of low memory. */
static int plan_information(struct loader_plan *plan, const uint32_t *where, uint32_t *address)
{
    const struct loader_request *request = plan->request;
    uint64_t size = INFO_SIZE + MAP_ENTRIES * MMAP_SIZE + sizeof loader_name +
                    length_of(request->cmdline) + MODULE_SIZE * (uint64_t)request->module_count;
    for (size_t i = 0; i < request->module_count; i++)
        size += length_of(request->modules[i].cmdline);
    uint8_t *info = size < PLAN_ARENA ? plan_allocate(plan, (uint32_t)size) : NULL;
    if (!info)
        return error_set(plan->error, VMM_E_USAGE,
                         "the command lines of the kernel and its modules are longer than %u "
                         "characters together; shorten them",
                         PLAN_ARENA / 1024 * 1000);
    if (!plan_find(plan, (uint32_t)size, 16, 0x1000, LOW_MEMORY_END, address) &&
        !plan_find(plan, (uint32_t)size, 16, HIGH_MEMORY, UINT64_MAX, address))
        return error_set(plan->error, VMM_E_MEMORY,
                         "%.80s: no memory is left for the boot information; give the machine more "
                         "with -m",
                         plan_name(&request->image));
    uint32_t used = INFO_SIZE;
    put32(info + INFO_FLAGS, INFO_HAS);
    put_memory_map(plan, info, *address, &used);
    put_modules(plan, info, *address, &used, where);
    put32(info + INFO_CMDLINE, put_string(info, *address, &used, request->cmdline));
    put32(info + INFO_LOADER_NAME, put_string(info, *address, &used, loader_name));
    return plan_add(plan, "boot information", *address, used, info, used);
}

static int plan_kernel(struct loader_plan *plan, uint32_t *start)
{
    int64_t at = multiboot_header(&plan->request->image);
    if (at < 0)
        return bad(plan,
                   "it has no Multiboot header in its first 8192 bytes; add one, or use --load "
                   "linux, boot or flat@ADDR");
    uint32_t flags = get32(plan->request->image.bytes + at + HEADER_FLAGS);
    if (flags & 0xffffu & ~FLAGS_KNOWN)
        return bad(plan, "its Multiboot header demands features that do not exist in version 1 "
                         "(flags 3-15); clear them");
    return flags & FLAG_ADDRESSES ? plan_addresses(plan, (uint32_t)at, start)
                                  : plan_elf(plan, start);
}

int plan_multiboot(struct loader_plan *plan, struct loader_result *result)
{
    uint32_t start = 0, information = 0, where[LOADER_MODULES] = {0};
    int status = plan_kernel(plan, &start);
    if (status == VMM_OK)
        status = plan_modules(plan, where);
    if (status == VMM_OK)
        status = plan_protected_state(plan, &result->cpu, 0x08, 0x10, start);
    if (status == VMM_OK)
        status = plan_information(plan, where, &information);
    result->cpu.gpr[X86_EAX] = LOADER_MAGIC;
    result->cpu.gpr[X86_EBX] = information;
    return status;
}
