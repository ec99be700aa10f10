/* Virtual machines through the public interface, on the bare machine. The guests' own dumps are
 * compared in test_run.sh; here is what a program that links the library relies on: how a run ends,
 * that it is the same every time, that limits are exact, and that it leaves nothing behind. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/snapshot.h>
#include <vmm/vm.h>

struct output {
    char text[4096];
    size_t length;
};

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    struct output *output = context;
    for (size_t i = 0; i < count && output->length + 1 < sizeof output->text; i++)
        output->text[output->length++] = (char)bytes[i];
}

/* 32-bit code at 1 MB, as a flat image. */
static struct vmm_vm *start(const uint8_t *code, size_t size, struct output *output)
{
    struct vmm_error error;
    const struct vmm_config config = {.memory_size = 4 << 20,
                                      .console = {.context = output, .output = collect}};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = (uint32_t)size}};
    memset(output, 0, sizeof *output);
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}
#define START(code, output) start(code, sizeof(code), output)

Test(vm, exit_code_and_status)
{
    /* mov al,'A'; out 0xe9,al; mov al,3; out 0xf4,al; hlt */
    static const uint8_t code[] = {0xb0, 'A', 0xe6, 0xe9, 0xb0, 3, 0xe6, 0xf4, 0xf4};
    struct output output;
    struct vmm_statistics statistics;
    struct vmm_registers registers;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_statistics(vm, &statistics);
    vmm_registers(vm, &registers);
    cr_assert_str_eq(output.text, "A");
    cr_assert_eq(statistics.exit_code, 3);
    cr_assert_eq(statistics.status, 3 << 1 | 1);
    cr_assert_eq(statistics.guest_instructions, 4, "the OUT that ends the run has retired");
    cr_assert_eq(registers.eip, 0x100008);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT, "a guest that has ended stays ended");
    vmm_destroy(vm);
}

Test(vm, limits_are_exact_at_every_instruction)
{
    /* xor eax,eax; again: inc eax; add ebx,eax; rep stosb with ecx 3; jmp again */
    static const uint8_t code[] = {0x31, 0xc0, 0x40, 0x01, 0xc3, 0xb9, 3,    0,    0,   0,
                                   0xbf, 0,    0,    0x20, 0,    0xf3, 0xaa, 0xeb, 0xef};
    struct output output;
    struct vmm_registers at, again;
    struct vmm_vm *stepped = START(code, &output), *straight;
    for (unsigned n = 1; n <= 40; n++) {
        struct vmm_statistics statistics;
        cr_assert_eq(vmm_run(stepped, 1), VMM_STOP_LIMIT);
        vmm_statistics(stepped, &statistics);
        cr_assert_eq(statistics.guest_instructions, n);
        straight = START(code, &output);
        cr_assert_eq(vmm_run(straight, n), VMM_STOP_LIMIT);
        vmm_registers(stepped, &at);
        vmm_registers(straight, &again);
        cr_assert_eq(memcmp(at.gpr, again.gpr, sizeof at.gpr), 0, "after %u instructions", n);
        cr_assert_eq(at.eip, again.eip, "after %u: %x, %x", n, at.eip, again.eip);
        cr_assert_eq(vmm_digest(stepped), vmm_digest(straight));
        vmm_destroy(straight);
    }
    /* One round is inc, add, two movs, three iterations, jmp. */
    cr_assert_eq(vmm_run(stepped, 1 + 8 * 100 - 40), VMM_STOP_LIMIT);
    vmm_registers(stepped, &at);
    cr_assert_eq(at.gpr[0], 100);
    cr_assert_eq(at.eip, 0x100002);
    vmm_destroy(stepped);
}

Test(vm, hlt_with_interrupts_off_is_a_halt)
{
    static const uint8_t code[] = {0xfa, 0xf4};
    struct output output;
    struct vmm_statistics statistics;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_HALT);
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.guest_instructions, 2, "HLT counts 1");
    cr_assert_eq(statistics.status, 0);
    vmm_destroy(vm);
}

Test(vm, an_exception_without_idt_is_a_shutdown)
{
    static const uint8_t code[] = {0x0f, 0x0b};
    struct output output;
    struct vmm_registers registers;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_SHUTDOWN);
    vmm_registers(vm, &registers);
    cr_assert_eq(registers.eip, 0x100000, "the faulting instruction has not retired");
    cr_assert_not_null(strstr(vmm_stop_text(vm), "triple fault"));
    vmm_destroy(vm);
}

/* SDM volume 3, section 10.4.3: bit 11 of IA32_APIC_BASE is clear where CPUID shows no APIC. */
Test(vm, the_apic_is_there_and_disabled)
{
    /* mov ecx,0x1b; rdmsr; or eax,0x800; wrmsr; rdmsr; hlt */
    static const uint8_t code[] = {0xb9, 0x1b, 0, 0,    0,    0x0f, 0x32, 0x0d, 0,
                                   8,    0,    0, 0x0f, 0x30, 0x0f, 0x32, 0xf4};
    struct output output;
    struct vmm_registers registers;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_HALT, "%s", vmm_stop_text(vm));
    vmm_registers(vm, &registers);
    cr_assert_eq(registers.gpr[0], 0xfee00100);
    cr_assert_eq(registers.gpr[2], 0);
    vmm_destroy(vm);
}

/* The sentence names what the shutdown began with, whoever delivers events. */
Test(vm, a_shutdown_says_what_it_began_with)
{
    static const struct {
        uint8_t code[16];
        const char *part;
    } rows[] = {
        {{0x0f, 0x0b}, "which began with #UD by 'ud2'"},
        {{0xb8, 0x20, 0, 0, 0, 0x0f, 0x22, 0xe0}, "#GP by 'mov cr4, eax': it sets CR4.PAE"},
        {{0xb9, 0x80, 0, 0, 0xc0, 0x0f, 0x32},
         "#GP by 'rdmsr': ECX names model-specific register "
         "0xc0000080"},
        {{0xcd, 0x30}, "interrupt 0x30 by 'int 0x30'"},
        {{0x31, 0xc9, 0xf7, 0xf1}, "#DE by 'div ecx'"},
    };
    for (size_t i = 0; vmm_technique(i); i++) {
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            struct vmm_error error;
            const struct vmm_config config = {.technique = vmm_technique(i),
                                              .memory_size = 4 << 20};
            const struct vmm_image image = {
                .kind = "flat@0x100000",
                .file = {.bytes = rows[r].code, .size = sizeof rows[r].code}};
            if (strcmp(config.technique, "para") == 0)
                continue;
            struct vmm_vm *vm = vmm_create(&config, &error);
            cr_assert_not_null(vm, "%s", error.text);
            cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
            cr_assert_eq(vmm_run(vm, 100), VMM_STOP_SHUTDOWN, "%s", vmm_stop_text(vm));
            cr_expect(strstr(vmm_stop_text(vm), rows[r].part), "%s: %s lacks %s", config.technique,
                      vmm_stop_text(vm), rows[r].part);
            vmm_destroy(vm);
        }
    }
}

Test(vm, a_store_into_the_next_instruction_is_executed)
{
    /* mov byte [next+1],7; next: mov al,1; out 0xf4,al */
    static const uint8_t code[] = {0xc6, 0x05, 0x08, 0x00, 0x10, 0x00, 7, 0xb0, 1, 0xe6, 0xf4};
    struct output output;
    struct vmm_statistics statistics;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.exit_code, 7);
    cr_assert_eq(statistics.guest_instructions, 3);
    vmm_destroy(vm);
}

Test(vm, addresses_without_memory_read_as_ones_and_lose_writes)
{
    /* mov dword [0x30000000],5; mov eax,[0x30000000]; out 0xf4,al */
    static const uint8_t code[] = {0xc7, 0x05, 0, 0, 0, 0x30, 5,    0,   0,
                                   0,    0xa1, 0, 0, 0, 0x30, 0xe6, 0xf4};
    struct output output;
    struct vmm_statistics statistics;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.exit_code, 0xff);
    vmm_destroy(vm);
}

Test(vm, rdtsc_reads_the_time_of_its_instruction)
{
    /* nop; nop; rdtsc; out 0xf4,al */
    static const uint8_t code[] = {0x90, 0x90, 0x0f, 0x31, 0xe6, 0xf4};
    struct output output;
    struct vmm_statistics statistics;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.exit_code, 2);
    vmm_destroy(vm);
}

Test(vm, random_bytes_always_end)
{
    unsigned seed = 12345;
    for (unsigned round = 0; round < 60; round++) {
        uint8_t code[512];
        struct output output;
        for (size_t i = 0; i < sizeof code; i++) {
            seed = seed * 1103515245u + 12345;
            code[i] = (uint8_t)(seed >> 16);
        }
        struct vmm_vm *vm = START(code, &output);
        cr_assert_neq(vmm_run(vm, 200000), VMM_STOP_FAILURE, "round %u: %s", round,
                      vmm_stop_text(vm));
        vmm_destroy(vm);
    }
}

Test(vm, wrong_configurations_are_refused_with_a_sentence)
{
    struct vmm_error error;
    const struct vmm_config unknown = {.technique = "magic"}, small = {.memory_size = 4096},
                            huge = {.memory_size = 0xf0000000u};
    cr_assert_null(vmm_create(&unknown, &error));
    cr_assert_eq(error.code, VMM_E_USAGE);
    cr_assert_not_null(strstr(error.text, "magic"));
    cr_assert_null(vmm_create(&small, &error));
    cr_assert_null(vmm_create(&huge, &error));
    cr_assert_not_null(strstr(error.text, "1G"));
}

Test(vm, a_machine_has_one_guest)
{
    static const uint8_t code[] = {0xf4};
    struct output output;
    struct vmm_error error;
    struct vmm_vm *vm = START(code, &output);
    const struct vmm_image image = {.kind = "flat@0x100000", .file = {.bytes = code, .size = 1}};
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_E_STATE);
    vmm_destroy(vm);
}

Test(vm, memory_is_seen_physically_and_through_the_tables)
{
    static const uint8_t code[] = {0xf4, 1, 2, 3};
    uint8_t bytes[8];
    struct output output;
    struct vmm_vm *vm = START(code, &output);
    cr_assert_eq(vmm_read_physical(vm, 0x100000, bytes, 4), 4);
    cr_assert_eq(memcmp(bytes, code, 4), 0);
    cr_assert_eq(vmm_read_linear(vm, 0x100001, bytes, 3), 3);
    cr_assert_eq(bytes[2], 3);
    cr_assert_eq(vmm_read_physical(vm, (4 << 20) - 2, bytes, 8), 2);
    cr_assert_eq(vmm_read_physical(vm, 0xfffffff0u, bytes, 8), 0);
    vmm_destroy(vm);
}

/* The sanitizer sees memory that nobody frees; mappings and descriptors are counted here. */
#ifdef __SANITIZE_ADDRESS__
enum { LIVES = 1000 };
#else
enum { LIVES = 100 };
#endif

static unsigned lines_of(const char *path)
{
    unsigned lines = 0;
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static void live(const char *technique)
{
    static const uint8_t code[] = {0x0f, 0x31, 0xb0, 0, 0xe6, 0xf4};
    struct vmm_error error;
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = technique};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = sizeof code}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_destroy(vm);
}

Test(vm, many_lives_leave_nothing_behind)
{
    unsigned mappings = 0;
    for (unsigned i = 0; i < LIVES; i++) {
        const char *technique = vmm_technique(i % 2);
        live(technique ? technique : vmm_technique(0));
        if (i == LIVES / 10) /* allocators have what they keep */
            mappings = lines_of("/proc/self/maps");
    }
    cr_assert_leq(lines_of("/proc/self/maps"), mappings + 4);
}

/* SDM volume 2, OUT: the run ends behind that instruction, and nobody does what comes next: a
 * store, a call, a string, an increment in a page that was touched before, floating point. */
Test(vm, nothing_behind_the_out_that_ends_the_run_is_done)
{
    /* out 0xf4,al; mov [0x180000],eax */
    static const uint8_t store[] = {0xb0, 0, 0xe6, 0xf4, 0xa3, 0, 0, 0x18, 0, 0xf4};
    /* mov esp,0x180004; mov al,0xfe; out 0x64,al; call +0 */
    static const uint8_t call[] = {0xbc, 4,    0, 0x18, 0, 0xb0, 0xfe, 0xe6,
                                   0x64, 0xe8, 0, 0,    0, 0,    0xf4};
    /* mov edi,0x180000; mov eax,edi; out 0xf4,al; stosd; stosd */
    static const uint8_t twice[] = {0xbf, 0, 0, 0x18, 0, 0x89, 0xf8, 0xe6, 0xf4, 0xab, 0xab, 0xf4};
    /* mov eax,[0x180000]; inc byte [0x180004]; out 0xf4,al; inc byte [0x180000] */
    static const uint8_t known[] = {0xa1, 0,    0,    0x18, 0,    0xfe, 0x05, 4,    0, 0x18,
                                    0,    0xe6, 0xf4, 0xfe, 0x05, 0,    0,    0x18, 0, 0xf4};
    /* fninit; out 0xf4,al; fld1 */
    static const uint8_t constant[] = {0xdb, 0xe3, 0xe6, 0xf4, 0xd9, 0xe8, 0xf4};
    static const struct {
        const uint8_t *code;
        size_t size;
    } guests[] = {{store, sizeof store},
                  {call, sizeof call},
                  {twice, sizeof twice},
                  {known, sizeof known},
                  {constant, sizeof constant}};
    for (size_t g = 0; g < sizeof guests / sizeof *guests; g++) {
        uint64_t digest = 0;
        for (size_t i = 0; vmm_technique(i); i++) {
            struct vmm_error error;
            uint32_t word;
            const struct vmm_config config = {.technique = vmm_technique(i),
                                              .memory_size = 4 << 20};
            if (strcmp(config.technique, "para") == 0)
                continue; /* it wants a guest that was made for it */
            const struct vmm_image image = {
                .kind = "flat@0x100000",
                .file = {.bytes = guests[g].code, .size = (uint32_t)guests[g].size}};
            struct vmm_vm *vm = vmm_create(&config, &error);
            cr_assert_not_null(vm, "%s", error.text);
            cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
            enum vmm_stop stop = vmm_run(vm, 100);
            cr_assert(stop == VMM_STOP_EXIT || stop == VMM_STOP_RESET, "%s: %s", config.technique,
                      vmm_stop_text(vm));
            cr_assert_eq(vmm_read_physical(vm, 0x180000, &word, sizeof word), sizeof word);
            cr_expect_eq(word, 0, "guest %zu under %s: %x", g, config.technique, word);
            digest = digest ? digest : vmm_digest(vm);
            cr_expect_eq(vmm_digest(vm), digest, "guest %zu under %s", g, config.technique);
            vmm_destroy(vm);
        }
    }
}

static void interrupt_it(void *context, const uint8_t *bytes, size_t count)
{
    (void)bytes;
    (void)count;
    struct vmm_vm **vm = context;
    vmm_interrupt(*vm);
}

/* Also a guest that needs the machine for each of its instructions, and no VMM: it runs so slowly
 * that the next event of a device may be a minute away. */
Test(vm, an_interrupted_vm_stops_soon_however_slow_its_guest_is)
{
    /* mov al,10; out 0xe9,al; again: inc byte [own page]; jmp again */
    static const uint8_t code[] = {0xb0, 10, 0xe6, 0xe9, 0xfe, 0x05, 0x80, 0, 0x10, 0, 0xeb, 0xf8};
    struct vmm_vm *vm;
    struct vmm_error error;
    struct vmm_statistics statistics;
    const struct vmm_config config = {.memory_size = 4 << 20,
                                      .console = {.context = &vm, .output = interrupt_it}};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = sizeof code}};
    cr_assert_not_null(vm = vmm_create(&config, &error), "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    cr_assert_eq(vmm_run(vm, 100000), VMM_STOP_USER, "%s", vmm_stop_text(vm));
    vmm_statistics(vm, &statistics);
    cr_assert_lt(statistics.guest_instructions, 100);
    vmm_destroy(vm);
}

/* What a beginner's test does wrong ends in an error, not in a crash. */
Test(vm, misuse_is_an_error)
{
    static const uint8_t code[] = {0xe6, 0xf4};
    static const struct vmm_config wrong[] = {
        {.clock = 7}, {.technique = "hw", .mmu = 7}, {.technique = "bt", .code_cache = 5}};
    struct vmm_error error;
    struct vmm_registers registers;
    struct vmm_statistics statistics;
    uint8_t byte;
    struct vmm_image image = {.kind = "flat@0x100000", .file = {.bytes = code, .size = 2}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        cr_assert_null(vmm_create(&wrong[i], &error));
        cr_assert_eq(error.code, VMM_E_USAGE);
    }
    cr_assert_eq(vmm_load(NULL, &image, &error), VMM_E_USAGE);
    cr_assert(strstr(error.text, "vmm_create"));
    cr_assert_eq(vmm_run(NULL, 0), VMM_STOP_FAILURE);
    cr_assert(strstr(vmm_stop_text(NULL), "vmm_create"));
    vmm_interrupt(NULL);
    vmm_registers(NULL, &registers);
    vmm_statistics(NULL, &statistics);
    cr_assert_eq(statistics.stop, VMM_STOP_FAILURE);
    cr_assert_eq(vmm_read_physical(NULL, 0, &byte, 1) + vmm_read_linear(NULL, 0, &byte, 1), 0);
    cr_assert_eq(vmm_digest(NULL) + vmm_digest_masked(NULL), 0);
    cr_assert_null(vmm_snapshot_take(NULL, &error));
    struct vmm_vm *vm = vmm_create(NULL, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_NONE);
    cr_assert(strstr(vmm_stop_text(vm), "no guest"));
    cr_assert_eq(vmm_load(vm, NULL, &error), VMM_E_USAGE);
    image.file.bytes = NULL;
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_E_USAGE);
    image.file.bytes = code;
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    cr_assert(strstr(vmm_stop_text(vm), "not run yet"));
    cr_assert_eq(vmm_snapshot_restore(vm, NULL, &error), VMM_E_USAGE);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    vmm_destroy(vm);
}

/* CMPXCHG8B changes ZF and no other flag (SDM volume 2); what the engine takes for the arithmetic
 * flags behind it may be a whole operand of an instruction before it, and nothing of that gets into
 * the flags that are no arithmetic ones. */
Test(vm, an_interrupt_behind_cmpxchg8b_finds_its_flags)
{
    /* again: push 2; popf; jmp +0; mov ecx,0xc27ad742; add eax,ecx; cmpxchg8b [0x180000]; nop; jmp
     * again */
    static const uint8_t code[] = {0x6a, 2,    0x9d, 0xeb, 0, 0xb9, 0x42, 0xd7, 0x7a, 0xc2, 0x01,
                                   0xc8, 0x0f, 0xc7, 0x0d, 0, 0,    0x18, 0,    0x90, 0xeb, 0xea};
    for (size_t i = 0; vmm_technique(i); i++) {
        struct vmm_error error;
        struct vmm_registers registers;
        const struct vmm_config config = {.technique = vmm_technique(i), .memory_size = 4 << 20};
        const struct vmm_image image = {.kind = "flat@0x100000",
                                        .file = {.bytes = code, .size = sizeof code}};
        if (strcmp(config.technique, "para") == 0 || strcmp(config.technique, "trap") == 0)
            continue;
        struct vmm_vm *vm = vmm_create(&config, &error);
        cr_assert_not_null(vm, "%s", error.text);
        cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
        for (unsigned round = 0; round < 40; round++) {
            cr_assert_eq(vmm_run(vm, 99), VMM_STOP_LIMIT, "%s", vmm_stop_text(vm));
            vmm_registers(vm, &registers);
            cr_assert_eq(registers.eflags & ~0x8d5u, 2, "%s: eflags %x at %x", config.technique,
                         registers.eflags, registers.eip);
        }
        vmm_destroy(vm);
    }
}
