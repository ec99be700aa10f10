/* What is left of a stopped guest: the report's walks against entries written here bit by bit (SDM
 * volume 3, section 4.3), the frame chain of the i386 ABI, and the core as an ELF file. gdb reads a
 * core in test_postmortem.sh. */
#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/postmortem.h>
#include <vmm/vm.h>

enum { ROOM = 8 << 20, IMAGE = 0x4000, MEMORY = 4 << 20 };

struct sink {
    char *bytes;
    size_t count, room;
};

static bool keep(void *context, const char *bytes, size_t count)
{
    struct sink *sink = context;
    if (count > sink->room - sink->count)
        return false;
    memcpy(sink->bytes + sink->count, bytes, count);
    sink->count += count;
    return true;
}

static struct sink sink_of(size_t room)
{
    return (struct sink){.bytes = calloc(1, room + 1), .room = room};
}

/* Runs `code` at 1 MB until it stops, or for `limit` instructions. */
static struct vmm_vm *run_for(const uint8_t *code, uint32_t size, uint64_t limit)
{
    struct vmm_error error;
    const struct vmm_config config = {.memory_size = MEMORY};
    const struct vmm_image image = {.kind = "flat@0x100000", .file = {.bytes = code, .size = size}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    vmm_run(vm, limit);
    return vm;
}

static struct vmm_vm *run(const uint8_t *code, uint32_t size)
{
    return run_for(code, size, 100000);
}

static void put32(uint8_t *image, uint32_t at, uint32_t value)
{
    memcpy(image + at, &value, sizeof value);
}

/* A guest with paging: 4 MB at 0 as they are, and at C0000000 a table with a supervisor's read-only
 * page of its code, one that is not present, and two that follow each other. It ends by a page
 * fault that no handler takes. */
static struct vmm_vm *run_paging(void)
{
    static const uint8_t code[] = {
        0xbc, 0x00, 0x00, 0x20, 0x00,                   /* mov esp,0x200000 */
        0xb8, 0x10, 0x00, 0x00, 0x00, 0x0f, 0x22, 0xe0, /* mov eax,0x10 (PSE); mov cr4,eax */
        0xb8, 0x00, 0x10, 0x10, 0x00, 0x0f, 0x22, 0xd8, /* mov eax,0x101000; mov cr3,eax */
        0x0f, 0x20, 0xc0, 0x0d, 0x00, 0x00, 0x00, 0x80, /* mov eax,cr0; or eax,PG */
        0x0f, 0x22, 0xc0,                               /* mov cr0,eax */
        0xa1, 0x00, 0x10, 0x00, 0xc0,                   /* mov eax,[0xc0001000] */
        0xa3, 0x00, 0x20, 0x00, 0xc0,                   /* mov [0xc0002000],eax */
    };
    static uint8_t image[IMAGE];
    memset(image, 0, sizeof image);
    memcpy(image, code, sizeof code);
    put32(image, 0x1000, 0x00000083);             /* P W PS */
    put32(image, 0x1000 + 4 * 0x300, 0x00102007); /* P W U */
    put32(image, 0x2000 + 4 * 1, 0x00100001);     /* P */
    put32(image, 0x2000 + 4 * 2, 0x00000abe);     /* not P */
    put32(image, 0x2000 + 4 * 4, 0x00200003);
    put32(image, 0x2000 + 4 * 5, 0x00201003);
    put32(image, 0x2000 + 4 * 6, 0x7ffff003); /* where there is no memory */
    return run(image, sizeof image);
}

static bool has(const struct sink *report, const char *text)
{
    return strstr(report->bytes, text) != NULL;
}

Test(postmortem, walks_are_shown_bit_by_bit)
{
    struct vmm_vm *vm = run_paging();
    struct sink report = sink_of(16384);
    cr_assert(vmm_walk_text(vm, 0xc0001234u, keep, &report));
    cr_assert(has(&report, "directory entry 0x300, table entry 0x001, offset 0x234"));
    cr_assert(has(&report, "entry 0x300 at 0x00101c00: 00102027  frame 0x00102000  G=0 PS=0 D=0 "
                           "A=1 PCD=0 PWT=0 U=1 W=1 P=1"),
              "%s", report.bytes);
    cr_assert(has(&report, "entry 0x001 at 0x00102004: 00100021  frame 0x00100000"));
    cr_assert(has(&report, "-> guest-physical 0x00100234: supervisor, read-only"));
    report.count = 0;
    memset(report.bytes, 0, report.room);
    cr_assert(vmm_walk_text(vm, 0x00301000, keep, &report));
    cr_assert(has(&report, "4 MB page 0x00000000"), "%s", report.bytes);
    cr_assert(has(&report, "-> guest-physical 0x00301000: supervisor, writable"));
    free(report.bytes);
    vmm_destroy(vm);
}

Test(postmortem, the_report_has_every_part)
{
    struct vmm_vm *vm = run_paging();
    struct sink report = sink_of(16384);
    cr_assert(vmm_postmortem(vm, keep, &report));
    cr_assert(has(&report, "registers: ring 0, 32-bit protected mode, paging on"));
    cr_assert(has(&report, "cr2 c0002000  cr3 00101000  cr4 00000010"), "%s", report.bytes);
    cr_assert(has(&report, "=> 0x00100025  a3002000c0        mov dword ptr [0xc0002000], eax"),
              "%s", report.bytes);
    cr_assert(has(&report, "#0  0x00100025"));
    cr_assert(has(&report, "walk of 0x00100025 (EIP)"));
    cr_assert(has(&report, "walk of 0xc0002000 (CR2)"));
    cr_assert(has(&report, "00000abe  P=0, the other bits are software's"));
    cr_assert(has(&report, "not mapped: table entry not present"), "%s", report.bytes);
    cr_assert(has(&report, "= #PF(0x2) at 0xc0002000"));
    free(report.bytes);
    vmm_destroy(vm);
}

Test(postmortem, looking_changes_nothing_and_repeats)
{
    struct vmm_vm *vm = run_paging();
    struct sink one = sink_of(16384), two = sink_of(16384);
    uint64_t digest = vmm_digest(vm);
    vmm_postmortem(vm, keep, &one);
    vmm_postmortem(vm, keep, &two);
    cr_assert_str_eq(one.bytes, two.bytes);
    cr_assert_eq(vmm_digest(vm), digest);
    free(one.bytes);
    free(two.bytes);
    vmm_destroy(vm);
}

Test(postmortem, a_failing_writer_is_told)
{
    struct vmm_vm *vm = run_paging();
    for (size_t room = 0; room < 1500; room += 100) {
        struct sink report = sink_of(room);
        cr_assert_not(vmm_postmortem(vm, keep, &report));
        cr_assert_eq(vmm_core(vm, keep, &report), VMM_E_IO);
        free(report.bytes);
    }
    vmm_destroy(vm);
}

Test(postmortem, the_frame_chain_is_followed_outwards)
{
    /* outer and inner as compilers open functions: push ebp; mov ebp,esp */
    static const uint8_t code[] = {
        0xbc, 0x00, 0x00, 0x20, 0x00, /* 00 mov esp,0x200000 */
        0x31, 0xed,                   /* 05 xor ebp,ebp */
        0xe8, 0x01, 0x00, 0x00, 0x00, /* 07 call 0d */
        0xf4,                         /* 0c hlt */
        0x55, 0x89, 0xe5,             /* 0d push ebp; mov ebp,esp */
        0xe8, 0x01, 0x00, 0x00, 0x00, /* 10 call 16 */
        0xf4,                         /* 15 hlt */
        0x55, 0x89, 0xe5, 0x0f, 0x0b  /* 16 push ebp; mov ebp,esp; 19 ud2 */
    };
    struct vmm_frame frames[VMM_FRAMES];
    struct vmm_vm *vm = run(code, sizeof code);
    cr_assert_eq(vmm_backtrace(vm, frames, VMM_FRAMES), 3);
    cr_assert_eq(frames[0].pc, 0x100019);
    cr_assert_eq(frames[1].pc, 0x100015);
    cr_assert_eq(frames[2].pc, 0x10000c);
    cr_assert_eq(vmm_backtrace(vm, frames, 2), 2, "no more than there is room for");
    vmm_destroy(vm);
}

Test(postmortem, a_frame_chain_in_a_circle_ends)
{
    /* mov ebp,0x200000; mov [ebp],ebp; mov [ebp+4],ebp; ud2 */
    static const uint8_t code[] = {0xbd, 0x00, 0x00, 0x20, 0x00, 0x89, 0x6d,
                                   0x00, 0x89, 0x6d, 0x04, 0x0f, 0x0b};
    struct vmm_frame frames[VMM_FRAMES];
    struct vmm_vm *vm = run(code, sizeof code);
    cr_assert_eq(vmm_backtrace(vm, frames, VMM_FRAMES), 2);
    vmm_destroy(vm);
}

Test(postmortem, reports_stay_small_whatever_the_guest_did)
{
    unsigned seed = 4711;
    for (unsigned round = 0; round < 40; round++) {
        uint8_t code[512];
        for (size_t i = 0; i < sizeof code; i++) {
            seed = seed * 1103515245u + 12345;
            code[i] = (uint8_t)(seed >> 16);
        }
        /* One of them modifies the code that it executes, without an end: slow, and always the
         * same. */
        struct vmm_vm *vm = run_for(code, sizeof code, 2000);
        struct sink report = sink_of(16384);
        cr_assert(vmm_postmortem(vm, keep, &report), "round %u", round);
        free(report.bytes);
        vmm_destroy(vm);
    }
}

/* ---- the core ---- */

Test(postmortem, the_core_has_registers_and_every_mapping)
{
    struct vmm_vm *vm = run_paging();
    struct sink core = sink_of(ROOM);
    cr_assert_eq(vmm_core(vm, keep, &core), VMM_OK);
    const Elf32_Ehdr *header = (const Elf32_Ehdr *)core.bytes;
    const Elf32_Phdr *segments = (const Elf32_Phdr *)(core.bytes + header->e_phoff);
    cr_assert_eq(memcmp(header->e_ident, ELFMAG, SELFMAG), 0);
    cr_assert_eq(header->e_type, ET_CORE);
    cr_assert_eq(header->e_machine, EM_386);
    cr_assert_eq(header->e_phnum, 4, "a note, 4 MB, one page, two pages in one");
    cr_assert_eq(segments[0].p_type, PT_NOTE);
    const uint32_t *registers = (const uint32_t *)(core.bytes + segments[0].p_offset + 20 + 72);
    cr_assert_eq(registers[12], 0x100025, "EIP");
    cr_assert_eq(registers[15], 0x200000, "ESP");
    static const struct {
        uint32_t linear, physical, size;
    } expected[] = {{0, 0, 4 << 20}, {0xc0001000u, 0x100000, 4096}, {0xc0004000u, 0x200000, 8192}};
    for (unsigned i = 0; i < 3; i++) {
        const Elf32_Phdr *segment = &segments[1 + i];
        cr_assert_eq(segment->p_type, PT_LOAD);
        cr_assert_eq(segment->p_vaddr, expected[i].linear);
        cr_assert_eq(segment->p_paddr, expected[i].physical);
        cr_assert_eq(segment->p_memsz, expected[i].size);
        cr_assert_leq((size_t)segment->p_offset + segment->p_filesz, core.count);
    }
    uint8_t first[5], there[5];
    cr_assert_eq(vmm_read_linear(vm, 0xc0001000u, first, 5), 5);
    memcpy(there, core.bytes + segments[2].p_offset, 5);
    cr_assert_eq(memcmp(first, there, 5), 0);
    free(core.bytes);
    vmm_destroy(vm);
}

Test(postmortem, without_paging_the_core_is_memory_as_it_is)
{
    static const uint8_t code[] = {0xfa, 0xf4};
    struct vmm_vm *vm = run(code, sizeof code);
    struct sink core = sink_of(ROOM);
    cr_assert_eq(vmm_core(vm, keep, &core), VMM_OK);
    const Elf32_Ehdr *header = (const Elf32_Ehdr *)core.bytes;
    const Elf32_Phdr *segments = (const Elf32_Phdr *)(core.bytes + header->e_phoff);
    cr_assert_eq(header->e_phnum, 2);
    cr_assert_eq(segments[1].p_memsz, MEMORY);
    cr_assert_eq((uint8_t)core.bytes[segments[1].p_offset + 0x100001], 0xf4);
    free(core.bytes);
    vmm_destroy(vm);
}
