/* The technique para: hypercalls as vmm/hypercall.h has them, and a guest that means no good. The
 * hostile guest checks each answer itself (tests/guests/para/hostile.c); here is what the VMM must
 * be like when it is done. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatcher/para.h"
#include "vm/vm.h"
#include "vmm/vmm.h"

struct output {
    char text[16384];
    size_t length;
};

static void collect(void *context, const uint8_t *bytes, size_t count)
{
    struct output *output = context;
    for (size_t i = 0; i < count && output->length + 1 < sizeof output->text; i++)
        output->text[output->length++] = (char)bytes[i];
}

static uint8_t *read_guest(const char *name, uint32_t *size)
{
    const char *build = getenv("VMM_BUILD");
    char path[512];
    snprintf(path, sizeof path, "%s/guests/%s", build ? build : "build", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        cr_skip_test("%s is not built", path);
    uint8_t *bytes = malloc(1 << 20);
    *size = (uint32_t)fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static struct vmm_vm *start(const char *technique, const char *guest, const char *line,
                            struct output *output)
{
    struct vmm_error error;
    struct vmm_file file = {.name = guest};
    memset(output, 0, sizeof *output);
    file.bytes = read_guest(guest, &file.size);
    const struct vmm_config config = {.technique = technique,
                                      .memory_size = 16 << 20,
                                      .console = {.context = output, .output = collect}};
    const struct vmm_image image = {.file = file, .cmdline = line};
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    free((void *)file.bytes);
    return vm;
}

static void check_tables(const struct vmm_vm *vm)
{
    const struct para *para = vm->dispatcher.own;
    char why[128];
    cr_assert_not_null(para);
    cr_assert(direct_paging_check(&para->paging, 1, why), "%s", why);
}

Test(para, a_hostile_guest_gets_errors)
{
    static struct output output;
    struct vmm_vm *vm = start("para", "hostile-para.elf", "", &output);
    cr_assert_eq(vmm_run(vm, 10000000), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    cr_assert_eq(statistics.exit_code, 0, "%s", output.text);
    cr_assert(strstr(output.text, "iret to user code: ok\n"), "%s", output.text);
    cr_assert_gt(((const struct para *)vm->dispatcher.own)->paging.statistics.refused, 20);
    check_tables(vm);
    vmm_destroy(vm);
}

/* Random calls for a while; whatever the tables are then, they are the guest's own. */
Test(para, random_hypercalls)
{
    static struct output output;
    for (unsigned seed = 1; seed <= 12; seed++) {
        char line[64];
        snprintf(line, sizeof line, "fuzz=%u n=4000", seed);
        struct vmm_vm *vm = start("para", "hostile-para.elf", line, &output);
        for (unsigned i = 0; i < 40 && vmm_run(vm, 20000) == VMM_STOP_LIMIT; i++)
            if (para_paged(vm->dispatcher.own))
                check_tables(vm);
        check_tables(vm);
        const struct direct_paging *paging = &((const struct para *)vm->dispatcher.own)->paging;
        cr_assert_gt(paging->statistics.refused, 300);
        cr_assert_gt(paging->statistics.writes, 300);
        vmm_destroy(vm);
    }
}

/* What the guest has lost is what makes it end, not the VMM. */
Test(para, ends_in_a_sentence)
{
    static struct output output;
    struct vmm_vm *vm = start("para", "hostile-para.elf", "end=handler", &output);
    cr_assert_eq(vmm_run(vm, 10000000), VMM_STOP_FAILURE);
    cr_assert(strstr(vmm_stop_text(vm), "has named no handler for vector 6"), "%s",
              vmm_stop_text(vm));
    vmm_destroy(vm);
    vm = start("para", "hostile-para.elf", "end=stack", &output);
    cr_assert_eq(vmm_run(vm, 10000000), VMM_STOP_SHUTDOWN);
    check_tables(vm);
    vmm_destroy(vm);
}

Test(para, other_kernels_are_told)
{
    static struct output output;
    struct vmm_vm *vm = start("para", "kernel.elf", "", &output);
    cr_assert_eq(vmm_run(vm, 10000000), VMM_STOP_FAILURE);
    cr_assert(strstr(vmm_stop_text(vm), "not built for a paravirtual machine: it met cli"), "%s",
              vmm_stop_text(vm));
    vmm_destroy(vm);
    vm = start("para", "hello.elf", "", &output);
    cr_assert_eq(vmm_run(vm, 10000000), VMM_STOP_FAILURE);
    vmm_destroy(vm);
    vm = start("bare", "kernel-para.elf", "", &output);
    cr_assert_eq(vmm_run(vm, 10000000), VMM_STOP_EXIT);
    cr_assert(strstr(output.text, "runs under the technique para alone"), "%s", output.text);
    vmm_destroy(vm);
}

/* The lines of `text` but those about the build. */
static void without_build(char *text)
{
    char *to = text;
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        size_t length = end ? (size_t)(end - line) + 1 : strlen(line);
        if (strncmp(line, "arch:", 5) != 0) {
            memmove(to, line, length);
            to += length;
        }
        line += length;
    }
    *to = '\0';
}

/* One source, two machines: the kernel's console and exit code are the same. */
Test(para, the_kernel_does_the_same)
{
    static struct output bare, para;
    struct vmm_statistics a, b;
    struct vmm_vm *vm = start("bare", "kernel.elf", "", &bare);
    cr_assert_eq(vmm_run(vm, 20000000), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
    vmm_statistics(vm, &a);
    vmm_destroy(vm);
    vm = start("para", "kernel-para.elf", "", &para);
    cr_assert_eq(vmm_run(vm, 20000000), VMM_STOP_EXIT, "%s", vmm_stop_text(vm));
    vmm_statistics(vm, &b);
    check_tables(vm);
    vmm_destroy(vm);
    without_build(bare.text);
    without_build(para.text);
    cr_assert_str_eq(para.text, bare.text);
    cr_assert_eq(a.exit_code, b.exit_code);
    cr_assert_eq(b.direct + b.emulated, b.guest_instructions);
}

/* A run is the same, whether it is stopped on its way or not, to the last instruction. */
Test(para, runs_repeat)
{
    static struct output output;
    struct vmm_vm *vm = start("para", "kernel-para.elf", "rounds=2", &output);
    cr_assert_eq(vmm_run(vm, 0), VMM_STOP_EXIT);
    uint64_t digest = vmm_digest(vm);
    vmm_destroy(vm);
    vm = start("para", "kernel-para.elf", "rounds=2", &output);
    while (vmm_run(vm, 77777) == VMM_STOP_LIMIT)
        ;
    cr_assert_eq(vmm_digest(vm), digest);
    vmm_destroy(vm);
}

struct seen {
    unsigned calls, faults, others;
};

static void note(void *context, const struct vmm_record *record)
{
    struct seen *seen = context;
    cr_assert_leq(strlen(record->walk), 4);
    if (strcmp(record->cause, "hypercall") == 0) {
        seen->calls++;
        cr_assert(strcmp(record->walk, "DI") == 0 || strcmp(record->walk, "DA") == 0, "%s: %s",
                  record->routine, record->walk);
    } else if (strcmp(record->cause, "true_fault") == 0) {
        seen->faults++;
        cr_assert_str_eq(record->walk, "D", "no table of the VMM's is between");
        cr_assert(record->injected);
    }
}

/* A debugger sees the guest's memory through its own tables, machine addresses and all. */
Test(para, is_observed)
{
    static struct output output;
    struct seen seen = {0};
    struct vmm_vm *vm = start("para", "kernel-para.elf", "", &output);
    struct vmm_registers registers;
    struct vmm_walk walk;
    uint32_t linear;
    char bytes[5], same[5];
    vmm_watch(vm, note, &seen);
    cr_assert_eq(vmm_run(vm, 2000000), VMM_STOP_LIMIT);
    cr_assert_gt(seen.calls, 100);
    cr_assert_gt(seen.faults, 20);
    vmm_registers(vm, &registers);
    cr_assert(registers.cr0 & 0x80000000u);
    cr_assert(vmm_symbol_address(vm, "trap_stubs", &linear));
    cr_assert_eq(vmm_read_linear(vm, linear, bytes, sizeof bytes), sizeof bytes);
    cr_assert_eq(vmm_read_physical(vm, linear, same, sizeof same), sizeof same);
    cr_assert_arr_eq(bytes, same, sizeof bytes, "the kernel's memory is mapped one to one");
    vmm_walk(vm, linear, &walk);
    cr_assert(walk.has_machine && walk.guest.mapped && !walk.shadowed);
    cr_assert_eq(walk.machine, walk.guest.physical);
    cr_assert_neq(walk.machine, linear, "frames are scattered");
    vmm_destroy(vm);
}

/* Two guests on one machine: neither's tables lead to the other's frames. */
Test(para, side_by_side)
{
    static struct output outputs[2];
    struct vmm_error error;
    struct vmm_file file = {.name = "kernel-para.elf"};
    struct vmm_vm *vms[2];
    file.bytes = read_guest(file.name, &file.size);
    for (unsigned i = 0; i < 2; i++) {
        const struct vmm_config config = {.technique = "para",
                                          .memory_size = 16 << 20,
                                          .vms = 2,
                                          .beside = i ? vms[0] : NULL,
                                          .console = {.context = &outputs[i], .output = collect}};
        const struct vmm_image image = {.file = file};
        outputs[i].length = 0;
        vms[i] = vmm_create(&config, &error);
        cr_assert_not_null(vms[i], "%s", error.text);
        cr_assert_eq(vmm_load(vms[i], &image, &error), VMM_OK, "%s", error.text);
    }
    cr_assert(vmm_run_together(vms, 2, 100000, 20000000));
    for (unsigned i = 0; i < 2; i++) {
        cr_assert_eq(vmm_run(vms[i], 1), VMM_STOP_EXIT, "%s", vmm_stop_text(vms[i]));
        check_tables(vms[i]);
    }
    cr_assert_str_eq(outputs[0].text, outputs[1].text);
    vmm_destroy(vms[1]);
    vmm_destroy(vms[0]);
    free((void *)file.bytes);
}
