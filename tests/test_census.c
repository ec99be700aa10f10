/* The census (vmm/census.h): what touches memory and what does not (Intel SDM, volume 2), what a
 * TLB keeps and forgets (volume 3, section 4.10), and the same under the interpreter as on the bare
 * machine. */
#include <criterion/criterion.h>
#include <string.h>
#include <vmm/vmm.h>

enum { BASE = 0x100000, TABLES = 0x200000, G = 1 << 8, LARGE = 1 << 7, SETUP = 7 };

/* mov eax, 0x90; mov cr4, eax (PSE, PGE); mov eax, TABLES; mov cr3, eax; mov eax, cr0;
 * or eax, 1 << 31; mov cr0, eax: seven instructions */
static const uint8_t setup[] = {0xb8, 0x90, 0,    0, 0,    0x0f, 0x22, 0xe0, 0xb8,
                                0,    0,    0x20, 0, 0x0f, 0x22, 0xd8, 0x0f, 0x20,
                                0xc0, 0x0d, 0,    0, 0,    0x80, 0x0f, 0x22, 0xc0};

static const char *const techniques[] = {"bare", "interp"};

/* Runs the code with the first 4 MB mapped one to one, by small pages with these bits, or by a
 * large one, and HLT behind it. */
static struct vmm_census count(const char *technique, uint32_t bits, const uint8_t *code,
                               size_t length)
{
    uint8_t bytes[256];
    struct vmm_error error;
    struct vmm_census census = {0};
    const struct vmm_config config = {.technique = technique, .memory_size = 4 << 20};
    const struct vmm_image image = {
        .kind = "flat@0x100000",
        .file = {.bytes = bytes, .size = (uint32_t)(sizeof setup + length + 2)}};
    memcpy(bytes, setup, sizeof setup);
    memcpy(bytes + sizeof setup, code, length);
    memcpy(bytes + sizeof setup + length, "\xfa\xf4", 2); /* cli; hlt */
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    uint32_t entry = bits & LARGE ? bits | 3 : (TABLES + 0x1000) | 3;
    vmm_write_physical(vm, TABLES, &entry, sizeof entry);
    for (uint32_t page = 0; page < 1024; page++) {
        entry = page << 12 | 3 | bits;
        vmm_write_physical(vm, TABLES + 0x1000 + 4 * page, &entry, sizeof entry);
    }
    cr_assert_eq(vmm_run(vm, SETUP), VMM_STOP_LIMIT);
    cr_assert_not(vmm_count(vm, 10000, UINT32_MAX, &census), "there is no such place");
    vmm_destroy(vm);
    return census;
}

#define COUNT(technique, bits, ...)                                                                \
    count(technique, bits, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* mov esi, 0x300000; mov ecx, 40; 1: mov eax, [esi]; add esi, 0x1000; loop 1b */
#define TOUCH_40                                                                                   \
    0xbe, 0, 0, 0x30, 0, 0xb9, 40, 0, 0, 0, 0x8b, 0x06, 0x81, 0xc6, 0, 0x10, 0, 0, 0xe2, 0xf6

Test(census, a_miss_for_each_page_and_one_for_a_large_one)
{
    for (size_t t = 0; t < 2; t++) {
        struct vmm_census small = COUNT(techniques[t], 0, TOUCH_40),
                          twice = COUNT(techniques[t], 0, TOUCH_40, TOUCH_40),
                          large = COUNT(techniques[t], LARGE, TOUCH_40);
        cr_expect_eq(small.tlb_misses, 1 + 40, "%s: %llu", techniques[t],
                     (unsigned long long)small.tlb_misses);
        cr_expect_eq(small.instructions, 2 + 3 * 40 + 2);
        cr_expect_eq(twice.tlb_misses, 1 + 40, "all of them are kept");
        cr_expect_eq(large.tlb_misses, 1 + 1);
    }
}

/* Volume 3, section 4.10.4.1: MOV to CR3 invalidates what is not global, INVLPG that one page, and
 * a change of CR4.PGE everything. */
Test(census, what_the_tlb_forgets)
{
    for (size_t t = 0; t < 2; t++) {
        /* mov eax, [0x300000]; ...; mov eax, [0x300000] */
#define AGAIN(...) 0xa1, 0, 0, 0x30, 0, __VA_ARGS__, 0xa1, 0, 0, 0x30, 0
        static const uint32_t kept = 1 + 1, anew = 2 * kept;
        const char *under = techniques[t];
        cr_expect_eq(COUNT(under, 0, AGAIN(0x90)).tlb_misses, kept);
        /* mov eax, cr3; mov cr3, eax */
        cr_expect_eq(COUNT(under, 0, AGAIN(0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8)).tlb_misses, anew);
        cr_expect_eq(COUNT(under, G, AGAIN(0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8)).tlb_misses, kept);
        /* mov eax, cr4; btc eax, 7; mov cr4, eax */
        cr_expect_eq(COUNT(under, G, AGAIN(0x0f, 0x20, 0xe0, 0x0f, 0xba, 0xf8, 7, 0x0f, 0x22, 0xe0))
                         .tlb_misses,
                     anew);
        /* invlpg [0x300000] */
        cr_expect_eq(COUNT(under, G, AGAIN(0x0f, 0x01, 0x3d, 0, 0, 0x30, 0)).tlb_misses, kept + 1);
    }
}

Test(census, what_touches_no_memory)
{
    for (size_t t = 0; t < 2; t++) {
        /* lea eax, [0x300000]; nop dword [0x310000]; prefetchnta [0x320000] */
        struct vmm_census none = COUNT(techniques[t], 0, 0x8d, 0x05, 0, 0, 0x30, 0, 0x0f, 0x1f,
                                       0x05, 0, 0, 0x31, 0, 0x0f, 0x18, 0x05, 0, 0, 0x32, 0);
        cr_expect_eq(none.tlb_misses, 1, "%llu", (unsigned long long)none.tlb_misses);
        /* mov edi, 0x300000; mov esi, 0x330000; and stosb, lodsb, or movsb */
        static const uint8_t opcodes[] = {0xaa, 0xac, 0xa4}, misses[] = {1, 1, 2};
        for (size_t i = 0; i < 3; i++) {
            struct vmm_census string =
                COUNT(techniques[t], 0, 0xbf, 0, 0, 0x30, 0, 0xbe, 0, 0, 0x33, 0, opcodes[i]);
            cr_expect_eq(string.tlb_misses, 1 + misses[i], "0x%x", opcodes[i]);
        }
    }
}

Test(census, events_of_each_kind)
{
    for (size_t t = 0; t < 2; t++) {
        /* mov esp, 0x300100; mov ecx, 5; mov edx, 0x80; mov edi, 0x300000; rep insb; in al, 0x80;
           call 1f; 1: pop eax; push eax; ... mov eax, cr0; mov cr0, eax */
        struct vmm_census c =
            COUNT(techniques[t], 0, 0xbc, 0, 1, 0x30, 0, 0xb9, 5, 0, 0, 0, 0xba, 0x80, 0, 0, 0,
                  0xbf, 0, 0, 0x30, 0, 0xf3, 0x6c, 0xe4, 0x80, 0xe8, 0, 0, 0, 0, 0x58, 0x0f, 0x20,
                  0xc0, 0x0f, 0x22, 0xc0, 0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8);
        cr_expect_eq(c.port_accesses, 5 + 1);
        cr_expect_eq(c.port_instructions, 2);
        cr_expect_eq(c.control_writes, 1);
        cr_expect_eq(c.space_switches, 1);
        cr_expect_eq(c.indirect, 0, "a direct call is none");
        cr_expect_eq(c.exceptions, 0);
    }
}
