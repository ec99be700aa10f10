/* The technique interp against the bare machine: every guest prints the same, ends the same way
 * after the same number of instructions, and leaves the same state behind, bit for bit. The one
 * exception is `manual`, whose lines are what the manual requires: there the engine departs, and
 * the interpreter does not. Floating point is the processor's in both. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

TestSuite(interp);

#define LIMIT 30000000u

struct run {
    char *text;
    size_t length, room;
    enum vmm_stop stop;
    struct vmm_statistics statistics;
    uint64_t digest;
};

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    struct run *run = context;

    if (run->length + count + 1 > run->room) {
        run->room = 2 * (run->room + count) + 1;
        run->text = realloc(run->text, run->room);
    }
    memcpy(run->text + run->length, bytes, count);
    run->length += count;
    run->text[run->length] = 0;
}

static struct run run_image(const char *technique, const struct vmm_image *image, uint64_t limit)
{
    struct run run = {0};
    struct vmm_error error;
    const struct vmm_config config = {.technique = technique,
                                      .memory_size = 32 << 20,
                                      .console = {.context = &run, .output = collect}};
    struct vmm_vm *vm = vmm_create(&config, &error);

    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, image, &error), VMM_OK, "%s", error.text);
    run.stop = vmm_run(vm, limit);
    vmm_statistics(vm, &run.statistics);
    run.digest = vmm_digest(vm);
    vmm_destroy(vm);
    collect(&run, (const uint8_t *)"", 0);
    return run;
}

static uint8_t *read_file(const char *path, uint32_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;

    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    *size = (uint32_t)ftell(file);
    rewind(file);
    bytes = calloc(1, *size + 1);
    cr_assert_eq(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void guest_path(char *path, size_t room, const char *name)
{
    const char *build = getenv("VMM_BUILD");

    snprintf(path, room, "%s/guests/%s", build ? build : "build", name);
}

static void same_under(const char *technique, const char *what, const struct vmm_image *image)
{
    struct run bare = run_image("bare", image, LIMIT), interp = run_image(technique, image, LIMIT);

    cr_assert_str_eq(interp.text, bare.text, "%s", what);
    cr_assert_eq(interp.stop, bare.stop, "%s: %d", what, interp.stop);
    cr_assert_eq(interp.statistics.exit_code, bare.statistics.exit_code, "%s", what);
    cr_assert_eq(interp.statistics.guest_instructions, bare.statistics.guest_instructions,
                 "%s: %llu, %llu", what, (unsigned long long)interp.statistics.guest_instructions,
                 (unsigned long long)bare.statistics.guest_instructions);
    cr_assert_eq(interp.digest, bare.digest, "%s", what);
    free(bare.text);
    free(interp.text);
}

static void same(const char *what, const struct vmm_image *image)
{
    same_under("interp", what, image);
}

static void same_guest(const char *name, const char *kind, const char *command_line)
{
    struct vmm_image image = {.kind = kind, .cmdline = command_line};
    char path[512];

    guest_path(path, sizeof path, name);
    image.file.name = name;
    image.file.bytes = read_file(path, &image.file.size);
    same(name, &image);
    free((void *)(uintptr_t)image.file.bytes);
}

Test(interp, every_guest_is_as_on_the_bare_machine)
{
    static const char *const guests[] = {
        "bad-segments.elf", "cr3-nowhere.elf",   "exceptions.elf", "garbage.elf",
        "gates.elf",        "hello-serial.elf",  "hello.elf",      "hlt.elf",
        "kernel-virt.elf",  "jump-unmapped.elf", "kernel.elf",     "paging.elf",
        "ports.elf",        "redpill.elf",       "sensitive.elf",  "smc.elf",
        "timer.elf",        "trapstorm.elf",     "triplefault.elf"};

    for (unsigned i = 0; i < sizeof guests / sizeof *guests; i++) {
        same_guest(guests[i], "auto", "");
    }
    same_guest("flat.bin", "flat@0x100000", "");
    same_guest("realmode.bin", "boot", "");
}

Test(interp, every_workload_is_as_on_the_bare_machine)
{
    static const char *const workloads[] = {"alu",    "call",     "clisti", "divide",  "fault",
                                            "int80",  "in",       "memseq", "movs",    "primes",
                                            "privop", "ptetouch", "sieve",  "writecr3"};

    for (unsigned i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        char line[32];
        snprintf(line, sizeof line, "w=%s n=100", workloads[i]);
        same_guest("bench.elf", "auto", line);
    }
}

Test(interp, departs_from_the_manual_nowhere)
{
    char path[512];
    uint32_t size;
    char *expected = (char *)read_file("tests/guests/expected/manual.txt", &size),
         *end = strstr(expected, "exit ");
    struct vmm_image image = {.kind = "auto"};
    struct run run;

    guest_path(path, sizeof path, "manual.elf");
    image.file.bytes = read_file(path, &image.file.size);
    run = run_image("interp", &image, LIMIT);
    cr_assert_not_null(end);
    *end = 0;
    cr_assert_str_eq(run.text, expected);
    cr_assert_eq(run.stop, VMM_STOP_EXIT);
    free(run.text);
    free(expected);
    free((void *)(uintptr_t)image.file.bytes);
}

static void same_code(const char *what, const uint8_t *code, size_t size)
{
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = (uint32_t)size}};

    same(what, &image);
    same_under("hybrid", what, &image); /* all of it is the supervisor's */
    same_under("bt", what, &image);
}
#define SAME_CODE(what, code) same_code(what, code, sizeof(code))

/* Virtual time counts each iteration, since an interrupt may come between any
 * two; how often the interpreter had to decode is told besides. */
Test(interp, iterations_are_told_from_instructions)
{
    static const uint8_t code[] = {
        0xbf, 0,    0,    0x20, 0,    /* mov edi, 0x200000 */
        0xb9, 7,    0,    0,    0,    /* mov ecx, 7 */
        0xf3, 0xab,                   /* rep stosd: six iterations that another one follows */
        0xb9, 1,    0,    0,    0,    /* mov ecx, 1 */
        0xf3, 0xab, 0xab,             /* rep stosd; stosd: none */
        0xb0, 0,    0xe6, 0xf4, 0xf4, /* mov al, 0; out 0xf4, al; hlt */
    };
    struct vmm_image image = {.kind = "flat@0x100000",
                              .file = {.bytes = code, .size = sizeof code}};
    struct run run = run_image("interp", &image, 0);

    cr_assert_eq(run.stop, VMM_STOP_EXIT);
    cr_assert_eq(run.statistics.repeats, 6u);
    cr_assert_eq(run.statistics.guest_instructions, 3u + 7 + 1 + 1 + 2);
    free(run.text);
}

/* What the registers of the processor alone hold goes through its own instructions. */
Test(interp, floating_point_is_the_processors)
{
    static const uint8_t code[] = {
        0xdb, 0xe3,                                     /* fninit */
        0xd9, 0xeb,                                     /* fldpi */
        0xd9, 0xe8,                                     /* fld1 */
        0xde, 0xc1,                                     /* faddp */
        0xdd, 0x1d, 0,    0,    0x20, 0,                /* fstp qword [0x200000] */
        0xdb, 0x05, 0,    0,    0x20, 0,                /* fild dword [0x200000] */
        0xdf, 0x3d, 8,    0,    0x20, 0,                /* fistp qword [0x200008] */
        0xa1, 4,    0,    0x20, 0,                      /* mov eax, [0x200004] */
        0xe6, 0xe9, 0xc1, 0xe8, 24,   0xe6, 0xe9, 0xb0, /* out; shr eax, 24; out; mov al, 0 */
        0,    0xe6, 0xf4, 0xf4,                         /* out 0xf4, al; hlt */
    };
    struct vmm_image image = {.kind = "flat@0x100000",
                              .file = {.bytes = code, .size = sizeof code}};
    struct run run = run_image("interp", &image, 0);

    SAME_CODE("x87", code);
    cr_assert_eq(run.statistics.direct, 7, "%llu", (unsigned long long)run.statistics.direct);
    cr_assert_eq(run.statistics.direct + run.statistics.interpreted,
                 run.statistics.guest_instructions);
    cr_assert_eq((uint8_t)run.text[1], 0x40, "the sign and exponent of 4.14");
    free(run.text);
}

/* A store of the processor's into code that was decoded: f is called, replaced, and called again.
 */
Test(interp, code_follows_stores_of_the_processor)
{
    static const uint8_t code[] = {
        0xe8, 0x1d, 0,    0,    0,                              /* call f */
        0xe6, 0xe9,                                             /* out 0xe9, al */
        0xc7, 0x05, 0,    0,    0x20, 0, 0xb0, 'B', 0xc3, 0x10, /* what f becomes */
        0xdb, 0x05, 0,    0,    0x20, 0,                        /* fild dword [0x200000] */
        0xdb, 0x1d, 0x22, 0,    0x10, 0,                        /* fistp dword [f] */
        0x3c, 'B',  0x75, 0xdf,                                 /* cmp al, 'B'; jne start */
        0xf4,                                                   /* hlt */
        0xb0, 'A',  0xc3, 0x90,                                 /* f: mov al, 'A'; ret */
    };
    struct vmm_image image = {.kind = "flat@0x100000",
                              .file = {.bytes = code, .size = sizeof code}};
    struct run run = run_image("interp", &image, 0);

    cr_assert_str_eq(run.text, "AB");
    SAME_CODE("x87 into code", code);
    free(run.text);
}

Test(interp, limits_are_exact_at_every_instruction)
{
    /* xor eax,eax; again: inc eax; add ebx,eax; mov ecx,3; mov edi,0x200000; rep stosb; jmp again
     */
    static const uint8_t code[] = {0x31, 0xc0, 0x40, 0x01, 0xc3, 0xb9, 3,    0,    0,   0,
                                   0xbf, 0,    0,    0x20, 0,    0xf3, 0xaa, 0xeb, 0xef};
    const struct vmm_image image = {.kind = "flat@0x100000",
                                    .file = {.bytes = code, .size = sizeof code}};

    for (uint64_t n = 1; n <= 40; n++) {
        struct run bare = run_image("bare", &image, n), interp = run_image("interp", &image, n);
        cr_assert_eq(interp.stop, VMM_STOP_LIMIT);
        cr_assert_eq(interp.statistics.guest_instructions, n);
        cr_assert_eq(interp.digest, bare.digest, "after %llu instructions", (unsigned long long)n);
        free(bare.text);
        free(interp.text);
    }
}
