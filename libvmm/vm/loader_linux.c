/* The Linux loader: the 32-bit boot protocol (Linux, Documentation/arch/x86/boot.rst). The kernel's
 * own real-mode set-up code is skipped; the loader does its work: it copies the setup header into a
 * zeroed page of boot parameters, adds memory map, command line and initrd, loads the
 * protected-mode part at 1 MB and enters it with the parameters in ESI and a GDT with code at 10
 * and data at 18.
 *
 * Fields are those of the document; a version before 2.02 has no command line pointer and is
 * refused. The screen is left undescribed (all zeros): the kernel's console is the serial port. */
#include <string.h>

#include "error.h"
#include "loader_plan.h"

enum { /* offsets in the image and in the parameter page */
       ALT_MEM_K = 0x1e0,
       E820_ENTRIES = 0x1e8,
       SETUP_SECTS = 0x1f1,
       SYSSIZE = 0x1f4,
       VID_MODE = 0x1fa,
       BOOT_FLAG = 0x1fe,
       HEADER_JUMP = 0x201, /* its displacement ends the header */
       HEADER_MAGIC = 0x202,
       VERSION = 0x206,
       TYPE_OF_LOADER = 0x210,
       LOADFLAGS = 0x211,
       CODE32_START = 0x214,
       RAMDISK_IMAGE = 0x218,
       RAMDISK_SIZE = 0x21c,
       CMD_LINE_PTR = 0x228,
       INITRD_ADDR_MAX = 0x22c,
       XLOADFLAGS = 0x236,
       CMDLINE_SIZE = 0x238,
       PREF_ADDRESS = 0x258,
       INIT_SIZE = 0x260,
       HEADER_LIMIT = 0x290, /* the parameter page has other things from here on */
       E820_TABLE = 0x2d0,
       E820_ENTRY = 20,
};

#define LOADED_HIGH    1u
#define KERNEL_64      1u /* of XLOADFLAGS: there is a 64-bit entry point, since version 2.12 */
#define SECTOR         512u
#define UNKNOWN_LOADER 0xffu
#define NORMAL_VGA     0xffffu
#define PAGE           4096u
#define PARAMETERS_AT  0x10000u /* and the command line where there is room behind it */
#define OLD_INITRD_MAX 0x37ffffffu
#define OLD_CMDLINE    255u
#define MAX_CMDLINE    8191u

struct kernel {
    const uint8_t *image;
    unsigned version;
    uint32_t header_end;    /* of the setup header in the image */
    const uint8_t *payload; /* the protected-mode part */
    uint32_t payload_size;
    uint64_t runtime_end; /* memory that the kernel uses before it reads the memory map */
};

bool linux_image(const struct loader_file *image)
{
    return image->size >= HEADER_MAGIC + 6 && get16(image->bytes + BOOT_FLAG) == 0xaa55 &&
           memcmp(image->bytes + HEADER_MAGIC, "HdrS", 4) == 0;
}

static int bad(struct loader_plan *plan, const char *what)
{
    return error_set(plan->error, VMM_E_IMAGE, "%.80s: %s", plan_name(&plan->request->image), what);
}

/* The end of the memory that the kernel decompresses itself into, from version 2.10 on. */
static int find_runtime(struct loader_plan *plan, struct kernel *kernel)
{
    kernel->runtime_end = HIGH_MEMORY + (uint64_t)kernel->payload_size;
    if (kernel->version < 0x020a || kernel->header_end < INIT_SIZE + 4)
        return VMM_OK;
    uint64_t preferred = get32(kernel->image + PREF_ADDRESS) |
                         (uint64_t)get32(kernel->image + PREF_ADDRESS + 4) << 32;
    /* A relocatable kernel runs where it is loaded, but not below its preferred address. */
    uint64_t start = preferred > HIGH_MEMORY ? preferred : HIGH_MEMORY;
    uint64_t end = start + get32(kernel->image + INIT_SIZE);
    if (start >= plan->memory->size || end > plan->memory->size)
        return error_set(
            plan->error, VMM_E_MEMORY,
            "%.80s: the kernel needs %u KB from 0x%llx on to start and the machine has "
            "%u KB; give it more with -m",
            plan_name(&plan->request->image), get32(kernel->image + INIT_SIZE) / 1024,
            (unsigned long long)start, plan->memory->size / 1024);
    if (end > kernel->runtime_end)
        kernel->runtime_end = end;
    return VMM_OK;
}

static int parse(struct loader_plan *plan, struct kernel *kernel)
{
    const struct loader_file *image = &plan->request->image;
    if (!linux_image(image))
        return bad(plan, "it is no Linux kernel (no \"HdrS\" at 0x202); give a bzImage");
    kernel->image = image->bytes;
    kernel->version = get16(image->bytes + VERSION);
    if (kernel->version < 0x0202)
        return bad(plan, "its boot protocol is older than 2.02 (Linux 2.4); give a newer kernel");
    kernel->header_end = HEADER_MAGIC + image->bytes[HEADER_JUMP];
    if (kernel->header_end > HEADER_LIMIT)
        kernel->header_end = HEADER_LIMIT;
    if (kernel->header_end < CMD_LINE_PTR + 4)
        return bad(plan,
                   "its setup header is shorter than its version demands; it is damaged, copy "
                   "it again");
    unsigned sectors = image->bytes[SETUP_SECTS] ? image->bytes[SETUP_SECTS] : 4;
    uint32_t payload_at = (sectors + 1) * SECTOR;
    if (image->size <= payload_at)
        return bad(plan, "it is truncated in its set-up code; copy it again");
    kernel->payload = image->bytes + payload_at;
    kernel->payload_size = image->size - payload_at;
    if (!(image->bytes[LOADFLAGS] & LOADED_HIGH))
        return bad(plan, "it is a zImage that loads below 640 KB; build a bzImage");
    uint64_t paragraphs =
        kernel->version < 0x0204 ? get16(image->bytes + SYSSIZE) : get32(image->bytes + SYSSIZE);
    if (paragraphs * 16 > (uint64_t)kernel->payload_size + 15)
        return bad(plan, "it is truncated: its header announces more than the file has; copy it "
                         "again");
    if (kernel->version >= 0x020c && kernel->header_end >= XLOADFLAGS + 2 &&
        (get16(image->bytes + XLOADFLAGS) & KERNEL_64))
        return bad(plan, "it is a 64-bit kernel; give one for 32-bit x86 (i386, 686)");
    uint32_t entry = get32(image->bytes + CODE32_START);
    if (!entry)
        return bad(plan, "it starts by its real-mode code only, with a PC's BIOS; give a kernel "
                         "with a 32-bit entry point");
    if (entry < HIGH_MEMORY || entry - HIGH_MEMORY >= kernel->payload_size)
        return bad(plan,
                   "its entry point (code32_start) lies outside the kernel; it is damaged, copy "
                   "it again");
    return find_runtime(plan, kernel);
}

/* The initrd lies as high as the kernel can reach it, on a page. */
static int plan_initrd(struct loader_plan *plan, const struct kernel *kernel, uint8_t *page)
{
    const struct loader_file *initrd = plan->request->initrd;
    if (!initrd || !initrd->size)
        return VMM_OK;
    uint64_t last = OLD_INITRD_MAX;
    if (kernel->version >= 0x0203 && kernel->header_end >= INITRD_ADDR_MAX + 4)
        last = get32(kernel->image + INITRD_ADDR_MAX);
    uint32_t gpa;
    if (!plan_find_high(plan, initrd->size, PAGE, kernel->runtime_end, last + 1, &gpa))
        return error_set(plan->error, VMM_E_MEMORY,
                         "%.80s: the initrd of %u KB does not fit behind the kernel, which needs "
                         "memory up to 0x%llx; give the machine more with -m",
                         plan_name(initrd), initrd->size / 1024 + 1,
                         (unsigned long long)kernel->runtime_end);
    put32(page + RAMDISK_IMAGE, gpa);
    put32(page + RAMDISK_SIZE, initrd->size);
    return plan_add(plan, "initrd", gpa, initrd->size, initrd->bytes, initrd->size);
}

static int plan_cmdline(struct loader_plan *plan, const struct kernel *kernel, uint8_t *page)
{
    const char *cmdline = plan->request->cmdline ? plan->request->cmdline : "";
    uint32_t limit = OLD_CMDLINE;
    if (kernel->version >= 0x0206 && kernel->header_end >= CMDLINE_SIZE + 4)
        limit = get32(kernel->image + CMDLINE_SIZE);
    if (limit > MAX_CMDLINE)
        limit = MAX_CMDLINE;
    size_t length = strnlen(cmdline, (size_t)limit + 1);
    if (length > limit)
        return error_set(
            plan->error, VMM_E_USAGE,
            "the kernel takes a command line of at most %u characters; shorten --append", limit);
    uint32_t gpa, size = (uint32_t)length + 1;
    uint8_t *copy = plan_allocate(plan, size);
    if (!copy || !plan_find(plan, size, 16, PARAMETERS_AT, LOW_MEMORY_END, &gpa))
        return bad(plan, "no low memory is left for the command line");
    memcpy(copy, cmdline, length);
    put32(page + CMD_LINE_PTR, gpa);
    return plan_add(plan, "command line", gpa, size, copy, size);
}

static void put_memory_map(const struct loader_plan *plan, uint8_t *page)
{
    struct memory_range map[MAP_ENTRIES];
    unsigned count = plan_memory_map(plan->memory->size, map);
    page[E820_ENTRIES] = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        uint8_t *entry = page + E820_TABLE + i * E820_ENTRY;
        put32(entry, map[i].base);
        put32(entry + 8, map[i].size);
        put32(entry + 16, map[i].type);
    }
    put32(page + ALT_MEM_K, (plan->memory->size - HIGH_MEMORY) / 1024);
}

int plan_linux(struct loader_plan *plan, struct loader_result *result)
{
    struct kernel kernel = {0};
    int status = parse(plan, &kernel);
    if (status != VMM_OK)
        return status;
    uint8_t *page = plan_allocate(plan, PAGE);
    if (!page)
        return bad(plan, "no memory is left for its parameters");
    memcpy(page + SETUP_SECTS, kernel.image + SETUP_SECTS, kernel.header_end - SETUP_SECTS);
    page[TYPE_OF_LOADER] = UNKNOWN_LOADER;
    page[LOADFLAGS] |= LOADED_HIGH;
    put16(page + VID_MODE, NORMAL_VGA);
    put32(page + RAMDISK_IMAGE, 0);
    put32(page + RAMDISK_SIZE, 0);
    put_memory_map(plan, page);
    status = plan_add(plan, "kernel", HIGH_MEMORY, kernel.payload_size, kernel.payload,
                      kernel.payload_size);
    if (status == VMM_OK)
        status = plan_add(plan, "parameter page", PARAMETERS_AT, PAGE, page, PAGE);
    if (status == VMM_OK)
        status = plan_cmdline(plan, &kernel, page);
    if (status == VMM_OK)
        status = plan_initrd(plan, &kernel, page);
    if (status == VMM_OK)
        status = plan_protected_state(plan, &result->cpu, 0x10, 0x18,
                                      get32(kernel.image + CODE32_START));
    result->cpu.gpr[X86_ESI] = PARAMETERS_AT;
    return status;
}
