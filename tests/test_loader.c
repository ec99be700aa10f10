/* The loaders against the boot protocols they follow: Multiboot 0.6.96, Linux'
 * Documentation/arch/x86/boot.rst, and the IBM PC's way of starting a boot sector; and hostile
 * images, which must change nothing and get one sentence. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/board.h"
#include "vm/firmware.h"
#include "vm/loader.h"

#define MEMORY (16u << 20)

static uint8_t *memory;
static unsigned writes;
static bool refuse_writes;
static struct vmm_error error;
static struct loader_result result;
static uint8_t image[65536];

static bool write_memory(void *context, uint32_t gpa, const void *bytes, uint32_t count)
{
    (void)context;
    cr_assert(gpa < MEMORY && count <= MEMORY - gpa, "a write of %u bytes at %x", count, gpa);
    writes++;
    if (refuse_writes)
        return false;
    memcpy(memory + gpa, bytes, count);
    return true;
}

static void set_up(void)
{
    memory = calloc(1, MEMORY);
    memset(image, 0, sizeof image);
    writes = 0;
    refuse_writes = false;
}

static void tear_down(void)
{
    free(memory);
}

TestSuite(loader, .init = set_up, .fini = tear_down);

static uint32_t get(uint32_t gpa)
{
    uint32_t value;
    cr_assert(gpa <= MEMORY - 4);
    memcpy(&value, memory + gpa, 4);
    return value;
}

static void put(uint32_t offset, uint32_t value)
{
    memcpy(image + offset, &value, 4);
}

static void put_half(uint32_t offset, uint16_t value)
{
    memcpy(image + offset, &value, 2);
}

static struct loader_request request_for(enum loader_kind kind, uint32_t size)
{
    return (struct loader_request){.kind = kind, .image = {"kernel", image, size}};
}

static int load(const struct loader_request *request)
{
    struct loader_memory guest = {.size = MEMORY, .write = write_memory};
    memset(&error, 0xff, sizeof error);
    return loader_load(request, &guest, &result, &error);
}

static void assert_sentence(void)
{
    size_t length = strnlen(error.text, sizeof error.text);
    cr_assert(length > 10 && length < sizeof error.text);
    for (size_t i = 0; i < length; i++)
        cr_assert((unsigned char)error.text[i] >= 0x20, "a control character in the sentence");
}

static void assert_refused(const struct loader_request *request, int code, const char *part)
{
    cr_assert_eq(load(request), code, "%s", error.text);
    cr_assert_eq(error.code, code);
    assert_sentence();
    cr_assert(strstr(error.text, part), "\"%s\" lacks \"%s\"", error.text, part);
    cr_assert_eq(writes, 0, "nothing half done");
}

/* ---- images */

static void multiboot_header(uint32_t at, uint32_t flags)
{
    put(at, 0x1badb002);
    put(at + 4, flags);
    put(at + 8, 0u - (0x1badb002 + flags));
}

static void segment(unsigned index, uint32_t offset, uint32_t vaddr, uint32_t paddr,
                    uint32_t filesz, uint32_t memsz)
{
    uint32_t at = 52 + 32 * index;
    uint32_t fields[8] = {1, offset, vaddr, paddr, filesz, memsz, 7, 4096};
    memcpy(image + at, fields, sizeof fields);
}

/* An ELF kernel of 8 KB with its header at 0x1000 and one segment at 1 MB. */
#define ELF_SIZE 0x2000u
static struct loader_request elf_kernel(void)
{
    memcpy(image, "\177ELF\1\1\1", 7);
    put_half(16, 2);
    put_half(18, 3);
    put(20, 1);
    put(24, 0x100010);
    put(28, 52);
    put_half(40, 52);
    put_half(42, 32);
    put_half(44, 1);
    segment(0, 0x1000, 0x100000, 0x100000, 0x1000, 0x3000);
    multiboot_header(0x1000, 3);
    for (unsigned i = 0x1010; i < ELF_SIZE; i++)
        image[i] = (uint8_t)i;
    return request_for(LOADER_AUTO, ELF_SIZE);
}

/* A bzImage: one sector of set-up code, 8 KB of kernel. */
#define LINUX_PAYLOAD 0x400u
#define LINUX_SIZE    (LINUX_PAYLOAD + 0x2000u)
static struct loader_request linux_kernel(void)
{
    image[0x1f1] = 1;
    put(0x1f4, 0x200);
    put_half(0x1fe, 0xaa55);
    image[0x200] = 0xeb;
    image[0x201] = 0x62; /* the header ends at 0x264 */
    memcpy(image + 0x202, "HdrS", 4);
    put_half(0x206, 0x020f);
    image[0x211] = 1;
    put(0x214, 0x100000);
    put(0x22c, 0x7fffffff);
    put(0x230, 0x1000);
    image[0x234] = 1;
    put(0x238, 2047);
    put(0x258, 0x400000);
    put(0x260, 0x300000);
    for (unsigned i = LINUX_PAYLOAD; i < LINUX_SIZE; i++)
        image[i] = (uint8_t)(i * 3);
    return request_for(LOADER_AUTO, LINUX_SIZE);
}

static struct loader_request boot_image(uint32_t size)
{
    image[0] = 0xf4;
    image[510] = 0x55;
    image[511] = 0xaa;
    return request_for(LOADER_AUTO, size);
}

/* ---- what comes out */

static void assert_flat_state(uint16_t code, uint16_t data)
{
    const struct cpu_state *cpu = &result.cpu;
    cr_assert_eq(cpu->cr0, X86_CR0_PE | X86_CR0_ET);
    cr_assert_eq(cpu->eflags, X86_FIXED, "interrupts off");
    cr_assert_eq(cpu->cpl, 0);
    for (unsigned i = 0; i < X86_SREGS; i++) {
        uint16_t selector = i == X86_CS ? code : data;
        cr_assert_eq(cpu->seg[i].selector, selector);
        cr_assert_eq(cpu->seg[i].base, 0);
        cr_assert_eq(cpu->seg[i].limit, 0xffffffff);
        cr_assert_eq(cpu->seg[i].attributes, i == X86_CS ? 0xc09b00 : 0xc09300);
        /* The descriptor in memory says the same. */
        cr_assert(selector + 7 <= cpu->gdtr.limit);
        cr_assert_eq(get(cpu->gdtr.base + selector), 0x0000ffff);
        cr_assert_eq(get(cpu->gdtr.base + selector + 4), i == X86_CS ? 0xcf9b00 : 0xcf9300);
    }
    cr_assert_eq(get(cpu->gdtr.base), 0);
}

Test(loader, multiboot_elf)
{
    struct loader_request request = elf_kernel();
    request.cmdline = "root=x quiet";
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(error.code, VMM_OK);
    cr_assert_eq(result.kind, LOADER_MULTIBOOT);
    cr_assert_eq(memcmp(memory + 0x100000, image + 0x1000, 0x1000), 0);
    assert_flat_state(0x08, 0x10);
    cr_assert_eq(result.cpu.eip, 0x100010);
    cr_assert_eq(result.cpu.gpr[X86_EAX], 0x2badb002);
    uint32_t info = result.cpu.gpr[X86_EBX];
    cr_assert_eq(get(info), 0x24d, "memory, command line, modules, memory map, loader name");
    cr_assert_eq(get(info + 4), 639);
    cr_assert_eq(get(info + 8), (MEMORY >> 10) - 1024);
    cr_assert_str_eq((char *)memory + get(info + 16), "root=x quiet");
    cr_assert_eq(get(info + 20), 0);
    cr_assert_str_eq((char *)memory + get(info + 64), "libvmm");
}

Test(loader, multiboot_memory_map)
{
    static const uint32_t expected[][3] = {{0, 0x9fc00, 1},
                                           {0x9fc00, 0x400, 2},
                                           {0xf0000, 0x10000, 2},
                                           {0x100000, MEMORY - 0x100000, 1}};
    struct loader_request request = elf_kernel();
    load(&request);
    uint32_t info = result.cpu.gpr[X86_EBX], entry = get(info + 48);
    cr_assert_eq(get(info + 44), 4 * 24);
    for (unsigned i = 0; i < 4; i++, entry += get(entry) + 4) {
        cr_assert_eq(get(entry), 20);
        cr_assert_eq(get(entry + 4), expected[i][0]);
        cr_assert_eq(get(entry + 8), 0);
        cr_assert_eq(get(entry + 12), expected[i][1]);
        cr_assert_eq(get(entry + 16), 0);
        cr_assert_eq(get(entry + 20), expected[i][2]);
    }
}

Test(loader, multiboot_modules_are_on_pages_behind_the_kernel)
{
    static uint8_t first[5000], second[100];
    memset(first, 0x11, sizeof first);
    memset(second, 0x22, sizeof second);
    struct loader_module modules[] = {{{"a", first, sizeof first}, "first one"},
                                      {{"b", second, sizeof second}, NULL}};
    struct loader_request request = elf_kernel();
    request.modules = modules;
    request.module_count = 2;
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    uint32_t info = result.cpu.gpr[X86_EBX], list = get(info + 24);
    cr_assert_eq(get(info + 20), 2);
    cr_assert_eq(get(list), 0x103000, "behind the kernel's 0x3000 bytes of memory");
    cr_assert_eq(get(list + 4), 0x103000 + sizeof first);
    cr_assert_str_eq((char *)memory + get(list + 8), "first one");
    cr_assert_eq(get(list + 16), 0x105000);
    cr_assert_eq(get(list + 20), 0x105000 + sizeof second);
    cr_assert_str_eq((char *)memory + get(list + 24), "");
    cr_assert_eq(memory[0x103000 + 4999], 0x11);
    cr_assert_eq(memory[0x105000], 0x22);
}

Test(loader, multiboot_virtual_entry_is_moved)
{
    struct loader_request request = elf_kernel();
    segment(0, 0x1000, 0xc0100000, 0x100000, 0x1000, 0x3000);
    put(24, 0xc0100020);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(result.cpu.eip, 0x100020);
    put(24, 0x100030); /* already physical */
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(result.cpu.eip, 0x100030);
}

Test(loader, multiboot_addresses_in_the_header)
{
    multiboot_header(0x40, 0x10003);
    uint32_t fields[5] = {0x200040, 0x200010, 0x200100, 0x200400, 0x200044};
    memcpy(image + 0x40 + 12, fields, sizeof fields);
    for (unsigned i = 0x60; i < 0x200; i++)
        image[i] = (uint8_t)i;
    struct loader_request request = request_for(LOADER_AUTO, 0x200);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(result.cpu.eip, 0x200044);
    cr_assert_eq(memcmp(memory + 0x200010, image + 0x10, 0xf0), 0);
    cr_assert_eq(memory[0x200100], 0, "load_end_addr is where loading ends");
    put(0x40 + 20, 0); /* load_end_addr 0: the whole file */
    put(0x40 + 24, 0);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(memcmp(memory + 0x200010, image + 0x10, 0x1f0), 0);
}

Test(loader, multiboot_header_search_ends_at_8192)
{
    multiboot_header(8192 - 12, 0x10000);
    struct loader_file file = {"k", image, 65536};
    cr_assert_eq(loader_detect(&file), LOADER_MULTIBOOT);
    memset(image, 0, sizeof image);
    multiboot_header(8192 - 8, 0x10000);
    cr_assert_eq(loader_detect(&file), LOADER_AUTO);
    memset(image, 0, sizeof image);
    multiboot_header(4098, 0x10000); /* not aligned */
    cr_assert_eq(loader_detect(&file), LOADER_AUTO);
}

Test(loader, tables_avoid_a_kernel_in_low_memory)
{
    struct loader_request request = elf_kernel();
    segment(0, 0x1000, 0x500, 0x500, 0x1000, 0x9000);
    put(24, 0x600);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_geq(result.cpu.gdtr.base, 0x9500);
    cr_assert_geq(result.cpu.gpr[X86_EBX], 0x9500);
    cr_assert_eq(memcmp(memory + 0x500, image + 0x1000, 0x1000), 0);
}

Test(loader, linux_protocol)
{
    static uint8_t initrd[3000];
    memset(initrd, 0x77, sizeof initrd);
    struct loader_file file = {"initrd", initrd, sizeof initrd};
    struct loader_request request = linux_kernel();
    request.initrd = &file;
    request.cmdline = "console=ttyS0";
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(result.kind, LOADER_LINUX);
    assert_flat_state(0x10, 0x18);
    cr_assert_eq(result.cpu.eip, 0x100000);
    cr_assert_eq(result.cpu.gpr[X86_EBX] | result.cpu.gpr[X86_EBP] | result.cpu.gpr[X86_EDI], 0);
    cr_assert_eq(memcmp(memory + 0x100000, image + LINUX_PAYLOAD, 0x2000), 0);
    uint32_t page = result.cpu.gpr[X86_ESI];
    cr_assert_eq(memcmp(memory + page + 0x202, "HdrS", 4), 0);
    cr_assert_eq(memory[page + 0x210], 0xff);
    cr_assert_eq(memory[page + 0x211] & 1, 1);
    cr_assert_eq(get(page + 0x1fa) & 0xffff, 0xffff);
    cr_assert_str_eq((char *)memory + get(page + 0x228), "console=ttyS0");
    cr_assert_eq(get(page + 0x218), MEMORY - 4096, "as high as it can be");
    cr_assert_eq(get(page + 0x21c), sizeof initrd);
    cr_assert_eq(memcmp(memory + MEMORY - 4096, initrd, sizeof initrd), 0);
    cr_assert_eq(memory[page + 0x1e8], 4);
    cr_assert_eq(get(page + 0x2d0), 0);
    cr_assert_eq(get(page + 0x2d0 + 60), 0x100000);
    cr_assert_eq(get(page + 0x2d0 + 68), MEMORY - 0x100000);
    cr_assert_eq(get(page + 0x2d0 + 76), 1);
    cr_assert_eq(get(page + 0x1e0), (MEMORY >> 10) - 1024);
}

Test(loader, linux_initrd_stays_below_its_limit)
{
    static uint8_t initrd[3000];
    struct loader_file file = {"initrd", initrd, sizeof initrd};
    struct loader_request request = linux_kernel();
    request.initrd = &file;
    put(0x22c, 0x9fffff);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(get(result.cpu.gpr[X86_ESI] + 0x218), 0x9ff000);
    writes = 0;
    put(0x22c, 0x6fffff); /* below the end of what the kernel decompresses itself into */
    assert_refused(&request, VMM_E_MEMORY, "initrd");
}

Test(loader, flat)
{
    memset(image, 0x90, 100);
    struct loader_request request = request_for(LOADER_FLAT, 100);
    request.flat_address = 0x12345;
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(result.cpu.eip, 0x12345);
    cr_assert_eq(memory[0x12345 + 99], 0x90);
    cr_assert_eq(memory[0x12345 + 100], 0);
    assert_flat_state(0x08, 0x10);
    cr_assert_eq(result.cpu.gpr[X86_ESP], 0x9fc00);
}

Test(loader, boot_sector)
{
    struct loader_request request = boot_image(2000);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_eq(result.kind, LOADER_BOOT);
    const struct cpu_state *cpu = &result.cpu;
    cr_assert_eq(cpu->cr0, X86_CR0_ET, "real mode");
    cr_assert_eq(cpu->seg[X86_CS].base + cpu->eip, 0x7c00);
    cr_assert_eq(cpu->gpr[X86_EDX] & 0xff, 0x80);
    cr_assert_eq(cpu->eflags, X86_FIXED | X86_IF);
    cr_assert_eq(memory[0x7c00], 0xf4);
    cr_assert_eq(memory[0x7dff], 0xaa);
    cr_assert_eq(memory[0x7e00], 0, "one sector only");
    cr_assert_eq(memcmp(memory + 0xfe000, firmware_code, FIRMWARE_SIZE), 0);
    for (unsigned vector = 0; vector < 256; vector++) {
        uint32_t handler = get(4 * vector);
        cr_assert_eq(handler >> 16, 0xf000);
        cr_assert((handler & 0xffff) >= 0xe000 && (handler & 0xffff) < 0xe000 + FIRMWARE_SIZE);
    }
    cr_assert_neq(get(4 * 0x10), get(4 * 0x13));
    cr_assert_eq(memory[(get(4 * 0x55) & 0xffff) + 0xf0000], 0xcf, "the rest is IRET");
}

Test(loader, boot_sector_prepares_the_board)
{
    static struct board board;
    struct loader_request request = boot_image(2000);
    load(&request);
    board_init(&board, MEMORY, NULL);
    loader_prepare_board(&result, &board);
    cr_assert_eq(board_in(&board, 0, 0x560, 4), 2880, "a diskette");
    board_out(&board, 0, 0x560, 4, 0);
    cr_assert_eq(board_in(&board, 0, 0x564, 1), 0xf4);
    cr_assert_eq(board.pic.chip[0].base, 0x08);
}

Test(loader, firmware_bytes_are_the_assembled_source)
{
    static uint8_t assembled[4096];
    char folder[] = "/tmp/firmwareXXXXXX", command[512];
    cr_assert(mkdtemp(folder));
    snprintf(command, sizeof command,
             "as --32 -o %s/f.o libvmm/vm/firmware.S && objcopy -O binary -j .text %s/f.o %s/f.bin",
             folder, folder, folder);
    int status = system(command);
    snprintf(command, sizeof command, "%s/f.bin", folder);
    FILE *file = fopen(command, "rb");
    size_t size = file ? fread(assembled, 1, sizeof assembled, file) : 0;
    if (file)
        fclose(file);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
    cr_assert_eq(status, 0, "the assembler failed; run the test from the top folder");
    cr_assert_eq(size, FIRMWARE_SIZE);
    cr_assert_eq(memcmp(assembled, firmware_code, size), 0, "assemble firmware.S again");
}

Test(loader, detection)
{
    struct loader_request request = elf_kernel();
    cr_assert_eq(loader_detect(&request.image), LOADER_MULTIBOOT);
    memset(image, 0, sizeof image);
    request = linux_kernel();
    cr_assert_eq(loader_detect(&request.image), LOADER_LINUX);
    memset(image, 0, sizeof image);
    request = boot_image(512);
    cr_assert_eq(loader_detect(&request.image), LOADER_BOOT);
    request.image.size = 511;
    cr_assert_eq(loader_detect(&request.image), LOADER_AUTO);
    image[510] = 0;
    request.image.size = 512;
    cr_assert_eq(loader_detect(&request.image), LOADER_AUTO, "never flat");
}

/* ---- hostile input */

Test(loader, empty_and_unknown_images)
{
    struct loader_request request = request_for(LOADER_AUTO, 0);
    assert_refused(&request, VMM_E_IMAGE, "empty");
    request = request_for(LOADER_AUTO, 1);
    assert_refused(&request, VMM_E_IMAGE, "flat@");
    request = request_for(LOADER_AUTO, 65536);
    assert_refused(&request, VMM_E_IMAGE, "flat@");
    request.kind = LOADER_MULTIBOOT;
    assert_refused(&request, VMM_E_IMAGE, "no Multiboot header");
    request.kind = LOADER_LINUX;
    assert_refused(&request, VMM_E_IMAGE, "no Linux kernel");
    request.kind = LOADER_BOOT;
    assert_refused(&request, VMM_E_IMAGE, "55 AA");
    memcpy(image, "\177ELF\2\1", 6);
    put_half(18, 62);
    request.kind = LOADER_AUTO;
    assert_refused(&request, VMM_E_IMAGE, "64-bit");
    image[4] = 1;
    put_half(18, 3);
    assert_refused(&request, VMM_E_IMAGE, "without a Multiboot header");
}

/* What lacks one step only, the sentence says so. */
Test(loader, an_unknown_image_is_told_what_it_may_be)
{
    static const struct {
        const char *begins;
        size_t length;
        const char *part;
    } rows[] = {
        {"\x1f\x8b\x08", 3, "gunzip"},
        {"\xfd"
         "7zXZ",
         6, "unxz"},
        {"\x28\xb5\x2f\xfd", 4, "unzstd"},
        {"BZh9", 4, "bunzip2"},
        {"070701", 6, "--initrd"},
        {"MZ\x90", 3, "EFI or DOS"},
        {"#!/bin/sh", 9, "script"},
        {"\177ELF\1\2\1\0\0\0\0\0\0\0\0\0\0\2\0\10", 20, "another processor"},
        {"\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\10\0", 20, "another processor"},
        {"\177ELF\1", 5, "truncated"},
        {"\177", 1, "flat@"},
    };
    struct loader_request request;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(image, 0, sizeof image);
        memcpy(image, rows[i].begins, rows[i].length);
        request = request_for(LOADER_AUTO, rows[i].length > 5 ? 65536 : (uint32_t)rows[i].length);
        assert_refused(&request, VMM_E_IMAGE, rows[i].part);
    }
    request = elf_kernel();
    memmove(image + 0x3000, image + 0x1000, 0x1000);
    memset(image + 0x1000, 0, 0x1000);
    request.image.size = 0x4000;
    assert_refused(&request, VMM_E_IMAGE, "byte 12288, and has to be in the first 8192");
    request = elf_kernel();
    put(0x1008, 5);
    assert_refused(&request, VMM_E_IMAGE, "byte 4096 has a wrong checksum");
    request = elf_kernel();
    put(0x1000, 0xe85250d6); /* Multiboot2 Specification 2.0, section 3.1.1 */
    put(0x1004, 0);
    put(0x1008, 24);
    put(0x100c, 0u - (0xe85250d6 + 24));
    assert_refused(&request, VMM_E_IMAGE, "Multiboot 2");
}

/* memtest86+ 5 is a boot sector, with a Multiboot header for what it is wrapped in elsewhere. */
Test(loader, what_is_two_things_is_loaded_as_what_it_can_be)
{
    struct loader_request request = boot_image(4096);
    multiboot_header(0x400, 3);
    cr_assert_eq(loader_detect(&request.image), LOADER_BOOT);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    image[510] = 0;
    writes = 0;
    assert_refused(&request, VMM_E_IMAGE, "flag 16");
}

/* One field of a good ELF kernel is spoilt at a time. */
Test(loader, bad_elf_kernels)
{
    static const struct {
        uint32_t at, size, value;
        int code;
        const char *part;
    } rows[] = {
        {4, 1, 2, VMM_E_IMAGE, "64-bit"},
        {5, 1, 2, VMM_E_IMAGE, "another processor"},
        {18, 2, 8, VMM_E_IMAGE, "another processor"},
        {16, 2, 1, VMM_E_IMAGE, "executable"},
        {16, 2, 3, VMM_E_IMAGE, "executable"},
        {44, 2, 0, VMM_E_IMAGE, "program headers"},
        {42, 2, 8, VMM_E_IMAGE, "program headers"},
        {44, 2, 0xffff, VMM_E_IMAGE, "truncated"},
        {28, 4, 0xfffffff0, VMM_E_IMAGE, "truncated"},
        {24, 4, 0x500000, VMM_E_IMAGE, "entry point"},
        {52 + 4, 4, 0x1001, VMM_E_IMAGE, "truncated"},
        {52 + 4, 4, 0xfffff800, VMM_E_IMAGE, "truncated"},
        {52 + 16, 4, 0x4000, VMM_E_IMAGE, "larger in the file"},
        {52 + 20, 4, 0x10, VMM_E_IMAGE, "larger in the file"},
        {52 + 20, 4, 0xffffffff, VMM_E_MEMORY, "-m"},
        {52 + 12, 4, 0xffffff00, VMM_E_MEMORY, "-m"},
        {52 + 12, 4, MEMORY - 0x2000, VMM_E_MEMORY, "-m"},
        {0x1004, 4, 0x13, VMM_E_IMAGE, "no Multiboot header"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(image, 0, sizeof image);
        struct loader_request request = elf_kernel();
        request.kind = LOADER_MULTIBOOT;
        memcpy(image + rows[i].at, &rows[i].value, rows[i].size);
        assert_refused(&request, rows[i].code, rows[i].part);
    }
}

Test(loader, overlapping_segments)
{
    struct loader_request request = elf_kernel();
    put_half(44, 2);
    segment(1, 0x1000, 0x102fff, 0x102fff, 0x10, 0x10);
    assert_refused(&request, VMM_E_IMAGE, "overlaps");
    segment(1, 0x1000, 0x103000, 0x103000, 0x10, 0x10);
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
}

Test(loader, unknown_multiboot_demands)
{
    struct loader_request request = elf_kernel();
    multiboot_header(0x1000, 0x0008);
    assert_refused(&request, VMM_E_IMAGE, "flags 3-15");
    multiboot_header(0x1000, 0x80000007); /* bits from 16 up may be ignored */
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
}

Test(loader, bad_addresses_in_the_header)
{
    static const uint32_t good[5] = {0x200040, 0x200010, 0x200100, 0x200400, 0x200044};
    static const struct {
        unsigned field;
        uint32_t value;
        int code;
        const char *part;
    } rows[] = {
        {0, 0x200000, VMM_E_IMAGE, "load address"}, {0, 0xfffffff0, VMM_E_IMAGE, "load address"},
        {1, 0, VMM_E_IMAGE, "load address"},        {2, 0x200000, VMM_E_IMAGE, "load_end_addr"},
        {2, 0x300000, VMM_E_IMAGE, "truncated"},    {2, 0xffffffff, VMM_E_IMAGE, "truncated"},
        {3, 0x200080, VMM_E_IMAGE, "bss_end_addr"}, {3, 0xffffffff, VMM_E_MEMORY, "-m"},
        {4, 0x200400, VMM_E_IMAGE, "entry_addr"},   {4, 0, VMM_E_IMAGE, "entry_addr"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        multiboot_header(0x40, 0x10003);
        memcpy(image + 0x40 + 12, good, sizeof good);
        put(0x40 + 12 + 4 * rows[i].field, rows[i].value);
        struct loader_request request = request_for(LOADER_AUTO, 0x200);
        assert_refused(&request, rows[i].code, rows[i].part);
    }
    multiboot_header(0x40, 0x10003);
    struct loader_request request = request_for(LOADER_AUTO, 0x50);
    assert_refused(&request, VMM_E_IMAGE, "truncated");
}

Test(loader, bad_linux_kernels)
{
    static const struct {
        uint32_t at, size, value;
        int code;
        const char *part;
    } rows[] = {
        {0x206, 2, 0x0201, VMM_E_IMAGE, "older than 2.02"},
        {0x201, 1, 0x10, VMM_E_IMAGE, "setup header"},
        {0x1f1, 1, 200, VMM_E_IMAGE, "truncated"},
        {0x1f4, 4, 0x202, VMM_E_IMAGE, "truncated"},
        {0x1f4, 4, 0xffffffff, VMM_E_IMAGE, "truncated"},
        {0x211, 1, 0, VMM_E_IMAGE, "zImage"},
        {0x214, 4, 0x90000, VMM_E_IMAGE, "entry point"},
        {0x214, 4, 0x102000, VMM_E_IMAGE, "entry point"},
        {0x214, 4, 0, VMM_E_IMAGE, "real-mode code only"}, /* iPXE */
        {0x236, 2, 1, VMM_E_IMAGE, "64-bit kernel"},
        {0x260, 4, 0xffffffff, VMM_E_MEMORY, "-m"},
        {0x258, 4, 0xfff00000, VMM_E_MEMORY, "-m"},
        {0x25c, 4, 0xffffffff, VMM_E_MEMORY, "-m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        memset(image, 0, sizeof image);
        struct loader_request request = linux_kernel();
        memcpy(image + rows[i].at, &rows[i].value, rows[i].size);
        assert_refused(&request, rows[i].code, rows[i].part);
    }
}

Test(loader, too_much_beside_the_kernel)
{
    static uint8_t large[12u << 20];
    static char cmdline[40000];
    struct loader_file file = {"big", large, sizeof large};
    struct loader_request request = linux_kernel();
    request.initrd = &file;
    assert_refused(&request, VMM_E_MEMORY, "big: the initrd");
    memset(cmdline, 'x', 2048);
    request.initrd = NULL;
    request.cmdline = cmdline;
    assert_refused(&request, VMM_E_USAGE, "2047");
    cmdline[2047] = 0;
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
    cr_assert_str_eq((char *)memory + get(result.cpu.gpr[X86_ESI] + 0x228), cmdline);

    writes = 0;
    memset(image, 0, sizeof image);
    struct loader_module modules[2] = {{file, NULL}, {file, NULL}};
    request = elf_kernel();
    request.modules = modules;
    request.module_count = 2;
    assert_refused(&request, VMM_E_MEMORY, "big: the module");
    request.module_count = LOADER_MODULES + 1;
    assert_refused(&request, VMM_E_USAGE, "33 modules");
    request.module_count = 0;
    memset(cmdline, 'x', sizeof cmdline - 1);
    request.cmdline = cmdline;
    assert_refused(&request, VMM_E_USAGE, "shorten");
}

Test(loader, options_that_do_not_fit_the_kind)
{
    struct loader_file file = {"f", image, 16};
    struct loader_module module = {file, NULL};
    struct loader_request request = elf_kernel();
    request.initrd = &file;
    assert_refused(&request, VMM_E_USAGE, "--initrd");
    memset(image, 0, sizeof image);
    request = boot_image(512);
    request.modules = &module;
    request.module_count = 1;
    assert_refused(&request, VMM_E_USAGE, "--module");
    request.module_count = 0;
    request.cmdline = "x";
    assert_refused(&request, VMM_E_USAGE, "--append");
}

Test(loader, flat_images_that_leave_memory)
{
    struct loader_request request = request_for(LOADER_FLAT, 4096);
    request.flat_address = MEMORY - 4095;
    assert_refused(&request, VMM_E_MEMORY, "-m");
    request.flat_address = 0xffffffff;
    assert_refused(&request, VMM_E_MEMORY, "place it lower");
    request.flat_address = MEMORY - 4096;
    cr_assert_eq(load(&request), VMM_OK, "%s", error.text);
}

Test(loader, too_little_memory_and_failing_writes)
{
    struct loader_memory small = {.size = 512 << 10, .write = write_memory};
    struct loader_request request = elf_kernel();
    cr_assert_eq(loader_load(&request, &small, &result, &error), VMM_E_MEMORY);
    cr_assert_eq(writes, 0);
    cr_assert_eq(loader_load(&request, &small, &result, NULL), VMM_E_MEMORY, "error may be NULL");
    refuse_writes = true;
    cr_assert_eq(load(&request), VMM_E_MEMORY);
    assert_sentence();
}

static uint32_t random_state;

static uint32_t random_number(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* Values that break sums and comparisons. */
static uint32_t nasty_number(void)
{
    static const uint32_t nasty[] = {0,          1,      0x7fffffff, 0x80000000, 0xffffffff,
                                     0xfffff000, MEMORY, MEMORY - 1, 0x100000,   0xfffffff8,
                                     0x9fc00,    0x400,  0xffff,     0x1000,     0x200};
    return random_number() & 1 ? nasty[random_number() % (sizeof nasty / sizeof *nasty)]
                               : random_number() << 8 ^ random_number();
}

/* Seeded mutations of good images: each loads, or is refused with one sentence and no write. A
 * state that comes out starts inside memory. */
Test(loader, mutated_images_do_no_harm, .timeout = 60)
{
    unsigned loaded = 0;
    for (unsigned round = 0; round < 30000; round++) {
        random_state = round;
        memset(image, 0, 0x4000);
        struct loader_request request = round % 3 == 0   ? elf_kernel()
                                        : round % 3 == 1 ? linux_kernel()
                                                         : boot_image(1024);
        if (round % 6 == 3) { /* the header's own addresses */
            uint32_t fields[5] = {0x200040, 0x200010, 0x200100, 0x200400, 0x200044};
            multiboot_header(0x40, 0x10003);
            memcpy(image + 0x40 + 12, fields, sizeof fields);
        }
        for (unsigned n = random_number() % 4 + 1; n; n--) {
            uint32_t at = random_number() % 0x280;
            uint32_t value = nasty_number();
            memcpy(image + (random_number() & 1 ? at & ~3u : at), &value,
                   random_number() & 1 ? 4 : 1);
        }
        if (random_number() % 8 == 0)
            request.image.size = random_number() % (request.image.size + 1);
        /* Exactly as large as it says, so that a sanitizer sees a read behind its end. */
        uint8_t *copy = malloc(request.image.size + 1);
        memcpy(copy, image, request.image.size);
        copy = realloc(copy, request.image.size ? request.image.size : 1);
        request.image.bytes = copy;
        writes = 0;
        if (load(&request) == VMM_OK) {
            loaded++;
            cr_assert_lt(result.cpu.eip, MEMORY);
        } else {
            assert_sentence();
            cr_assert_eq(writes, 0, "round %u: %s", round, error.text);
        }
        free(copy);
    }
    cr_assert_gt(loaded, 1000, "the mutations are too wild to reach the end");
}

/* ---- files and options */

Test(loader, reading_files)
{
    char path[] = "/tmp/loaderXXXXXX";
    struct loader_file file;
    int fd = mkstemp(path);
    cr_assert_eq(write(fd, "hello", 5), 5);
    cr_assert_eq(loader_read_file(path, 5, &file, &error), VMM_OK);
    cr_assert_eq(file.size, 5);
    cr_assert_eq(memcmp(file.bytes, "hello", 5), 0);
    cr_assert_str_eq(file.name, path);
    loader_free_file(&file);
    cr_assert_eq(loader_read_file(path, 4, &file, &error), VMM_E_IO);
    cr_assert(strstr(error.text, "larger"));
    cr_assert_eq(ftruncate(fd, 0), 0);
    cr_assert_eq(loader_read_file(path, 4, &file, &error), VMM_OK);
    cr_assert_eq(file.size, 0);
    loader_free_file(&file);
    close(fd);
    unlink(path);
    cr_assert_eq(loader_read_file(path, 4, &file, &error), VMM_E_IO);
    cr_assert(strstr(error.text, "No such file"));
    cr_assert_eq(loader_read_file("/", 4, &file, &error), VMM_E_IO);
    cr_assert(strstr(error.text, "directory"));
    cr_assert_eq(loader_read_file("/dev/zero", 1 << 20, &file, &error), VMM_E_IO);
    cr_assert(strstr(error.text, "larger"));
}

Test(loader, long_and_odd_names)
{
    char name[4096];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    name[3] = '\n';
    struct loader_file file;
    cr_assert_eq(loader_read_file(name, 4, &file, &error), VMM_E_IO);
    assert_sentence();
    struct loader_request request = request_for(LOADER_AUTO, 100);
    request.image.name = name;
    cr_assert_eq(load(&request), VMM_E_IMAGE);
    assert_sentence();
    cr_assert(strstr(error.text, "flat@"), "the remedy is not cut off");
}

Test(loader, kinds_on_the_command_line)
{
    enum loader_kind kind;
    uint32_t address = 0;
    cr_assert_eq(loader_parse_kind("auto", &kind, &address, &error), VMM_OK);
    cr_assert_eq(kind, LOADER_AUTO);
    cr_assert_eq(loader_parse_kind("boot", &kind, &address, &error), VMM_OK);
    cr_assert_eq(kind, LOADER_BOOT);
    cr_assert_eq(loader_parse_kind("flat@0x7e00", &kind, &address, &error), VMM_OK);
    cr_assert_eq(kind, LOADER_FLAT);
    cr_assert_eq(address, 0x7e00);
    static const char *bad[] = {"",
                                "flat",
                                "flat@",
                                "flat@x",
                                "flat@-1",
                                "flat@ 1",
                                "Linux",
                                "flat@1z",
                                "flat@0x100000000",
                                "multiboot2",
                                "flat@0x",
                                "elf",
                                "flat@1e99",
                                "flat@99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(loader_parse_kind(bad[i], &kind, &address, &error), VMM_E_USAGE, "%s", bad[i]);
        assert_sentence();
    }
}
