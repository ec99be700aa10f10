/* Hostile guests are contained (Popek and Goldberg 1974, section 3, resource control): whatever a
 * guest executes, and wherever it stores and jumps, it does to itself what it would do to the bare
 * machine, and to others nothing. The guest `hostile` has what the architecture defines; here is
 * also what only a VMM has: the place where its own tables are. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

TestSuite(hostile);

enum { LIMIT = 60000000, SHORT = 300000, SLICE = 5000 };

struct run {
    char *text;
    size_t length, room;
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

/* Trap-and-emulate ends at what does not trap; a guest that knows its VMM is another guest. */
static bool runs_kernels(const char *technique)
{
    return strcmp(technique, "trap") != 0 && strcmp(technique, "para") != 0;
}

static uint64_t run_hostile(const char *technique, struct run *run, uint64_t *instructions)
{
    const char *build = getenv("VMM_BUILD");
    static uint8_t bytes[1 << 20];
    char path[512];
    snprintf(path, sizeof path, "%s/guests/hostile.elf", build ? build : "build");
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    const struct vmm_image image = {
        .kind = "auto",
        .file = {.bytes = bytes, .size = (uint32_t)fread(bytes, 1, sizeof bytes, file)}};
    fclose(file);
    struct vmm_error error;
    struct vmm_statistics statistics;
    const struct vmm_config config = {.technique = technique,
                                      .memory_size = 8 << 20,
                                      .console = {.context = run, .output = collect}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    cr_assert_eq(vmm_run(vm, LIMIT), VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(vm));
    vmm_statistics(vm, &statistics);
    *instructions = statistics.guest_instructions;
    uint64_t digest = vmm_digest(vm);
    collect(run, (const uint8_t *)"", 0);
    vmm_destroy(vm);
    return digest;
}

Test(hostile, what_a_guest_tries_is_as_on_the_bare_machine)
{
    struct run bare = {0};
    uint64_t wanted, count, digest = run_hostile("bare", &bare, &wanted);
    for (size_t i = 0; vmm_technique(i); i++) {
        struct run run = {0};
        const char *technique = vmm_technique(i);
        if (!runs_kernels(technique) || strcmp(technique, "bare") == 0)
            continue;
        uint64_t other = run_hostile(technique, &run, &count);
        cr_assert_str_eq(run.text, bare.text, "%s", technique);
        cr_assert_eq(count, wanted, "%s", technique);
        cr_assert_eq(other, digest, "%s", technique);
        free(run.text);
    }
    free(bare.text);
}

/* ---- the VMM's own place ---- */

static struct vmm_vm *load_flat(const char *technique, struct vmm_vm *beside, const uint8_t *code,
                                uint32_t size)
{
    struct vmm_error error;
    const struct vmm_config config = {
        .technique = technique, .memory_size = 2 << 20, .vms = beside ? 0 : 2, .beside = beside};
    const struct vmm_image image = {.kind = "flat@0x100000", .file = {.bytes = code, .size = size}};
    struct vmm_vm *vm = vmm_create(&config, &error);
    if (!vm)
        return 0;
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

/* mov ecx,100000; 1: add [0x180000],ecx; loop 1b; out 0xf4,al */
static const uint8_t victim[] = {0xb9, 0xa0, 0x86, 1,    0,    0x01, 0x0d, 0,
                                 0,    0x18, 0,    0xe2, 0xf8, 0xe6, 0xf4};

/* A kernel jumps to, and stores at, each page of the last 4 MB, where shadow tables have the VMM's
 * own: what it executes there are its own instructions, at ring 1, whatever they are; a store makes
 * the VMM move. Its neighbour on the same machine notices nothing. */
Test(hostile, a_kernel_in_the_vmms_place_harms_nobody)
{
    unsigned together = 0;
    for (size_t i = 0; vmm_technique(i); i++) {
        const char *technique = vmm_technique(i);
        if (!runs_kernels(technique))
            continue;
        struct vmm_vm *alone = load_flat(technique, 0, victim, sizeof victim);
        if (!alone)
            continue;
        cr_assert_eq(vmm_run(alone, 0), VMM_STOP_EXIT, "%s", technique);
        uint64_t digest = vmm_digest(alone);
        vmm_destroy(alone);
        for (uint32_t page = 0xffc00000; page; page += 0x3f000) {
            for (unsigned stores = 0; stores < 2; stores++) {
                /* mov eax,page; stores: not dword [eax]; inc dword [eax+0x800]; jmp eax */
                uint8_t code[] = {0xb8, 0, 0, 0, 0, 0xf7, 0x10, 0xff, 0x80, 0, 8, 0, 0, 0xff, 0xe0};
                memcpy(code + 1, &page, sizeof page);
                if (!stores)
                    memset(code + 5, 0x90, 8);
                struct vmm_vm *vm[2] = {load_flat(technique, 0, code, sizeof code)};
                vm[1] = load_flat(technique, vm[0], victim, sizeof victim);
                if (!vm[1]) { /* one guest has the machine for itself */
                    vmm_run(vm[0], SHORT);
                    vmm_destroy(vm[0]);
                    continue;
                }
                together++;
                vmm_run_together(vm, 2, SLICE, SHORT);
                struct vmm_statistics statistics;
                vmm_statistics(vm[1], &statistics);
                cr_assert_eq(statistics.stop, VMM_STOP_EXIT, "%s, page 0x%x", technique, page);
                cr_assert_eq(vmm_digest(vm[1]), digest, "%s, page 0x%x", technique, page);
                vmm_destroy(vm[0]);
                vmm_destroy(vm[1]);
            }
            if (page > 0xffffffffu - 0x3f000)
                break;
        }
    }
    cr_assert_gt(together, 100u, "no technique lets two VMs share a machine");
}
