/* The slot "allocator.shadow": a policy that leaves every fault to the library, and one that asks
 * for what cannot be (Adams and Agesen, ASPLOS 2006, section 2.3; SDM volume 3, 4.6 to 4.8).
 * Whether a whole policy is right, labs/06-shadow compares instruction by instruction. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

enum { P = 1, RW = 2, US = 4, A = 0x20, D = 0x40, DIRECTORY = 0x180000, TABLE = 0x181000 };

/* CR3 = DIRECTORY; paging on; MOV 0x120000, %EAX; MOV %EAX, 0x120004; a write to the entry of
 * 0x120000; exit code 5. */
static struct vmm_vm *start(const char *technique)
{
    static const uint8_t code[] = {
        0xb8, 0x00, 0x00, 0x18, 0x00,             /* mov $DIRECTORY, %eax */
        0x0f, 0x22, 0xd8,                         /* mov %eax, %cr3 */
        0x0f, 0x20, 0xc0,                         /* mov %cr0, %eax */
        0x0d, 0x00, 0x00, 0x00, 0x80,             /* or $0x80000000, %eax */
        0x0f, 0x22, 0xc0,                         /* mov %eax, %cr0 */
        0xa1, 0x00, 0x00, 0x12, 0x00,             /* mov 0x120000, %eax */
        0xa3, 0x04, 0x00, 0x12, 0x00,             /* mov %eax, 0x120004 */
        0x80, 0x25, 0x80, 0x14, 0x18, 0x00, 0xfd, /* andb $~RW, entry of 0x120000 */
        0xb0, 0x05, 0xe6, 0xf4, 0xf4,             /* mov $5, %al; out %al, $0xf4 */
    };
    const struct vmm_config config = {.memory_size = 2 << 20, .technique = technique};
    const struct vmm_image flat = {.kind = "flat@0x100000",
                                   .file = {.bytes = code, .size = sizeof code}};
    const uint32_t pde = TABLE | P | RW | US;
    struct vmm_error error;
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &flat, &error), VMM_OK, "%s", error.text);
    vmm_write_physical(vm, DIRECTORY, &pde, sizeof pde);
    for (uint32_t page = 0x100; page < 0x200; page++) {
        uint32_t pte = page << 12 | P | RW | US;
        vmm_write_physical(vm, TABLE + page * 4, &pte, sizeof pte);
    }
    return vm;
}

static uint32_t exit_code(const struct vmm_vm *vm)
{
    struct vmm_statistics statistics;
    vmm_statistics(vm, &statistics);
    return statistics.exit_code;
}

static const char *const techniques[] = {"trap", "hybrid", NULL};
#define FOR_EACH_TECHNIQUE(technique)                                                              \
    for (const char *const *at = techniques, *technique = *at; technique; technique = *++at)

/* ---- watching ---- */

struct seen {
    unsigned faults, writes, large;
};

static struct vmm_shadow_answer watch(void *context, const struct vmm_shadow_fault *fault)
{
    struct seen *seen = context;
    seen->faults++;
    seen->writes += (fault->error_code & RW) != 0;
    seen->large += fault->large;
    cr_assert(!fault->large || !fault->table_entry);
    return (struct vmm_shadow_answer){.kind = VMM_SHADOW_STANDARD};
}

static uint64_t run_kernel(struct seen *seen)
{
    static uint8_t bytes[1 << 20];
    char path[512];
    const char *build = getenv("VMM_BUILD");
    snprintf(path, sizeof path, "%s/guests/kernel-virt.elf", build ? build : "build");
    FILE *file = fopen(path, "rb");
    if (!file)
        cr_skip("%s is not built", path);
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = "trap"};
    const struct vmm_image image = {
        .file = {.bytes = bytes, .size = (uint32_t)fread(bytes, 1, sizeof bytes, file)}};
    struct vmm_error error;
    fclose(file);
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    if (seen) /* before there is a guest; below, in the middle of its life */
        cr_assert_eq(vmm_module_replace_shadow(vm, watch, NULL, seen, NULL), VMM_OK);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    vmm_run(vm, 200000);
    if (seen) {
        cr_assert_eq(vmm_module_restore(vm, "allocator.shadow", NULL), VMM_OK);
        vmm_run(vm, 50000);
        cr_assert_eq(vmm_module_replace_shadow(vm, watch, NULL, seen, NULL), VMM_OK);
        vmm_run(vm, 150000);
    } else {
        vmm_run(vm, 200000);
    }
    uint64_t digest = vmm_digest(vm);
    vmm_destroy(vm);
    return digest;
}

Test(module_shadow, a_watched_kernel_does_not_notice)
{
    struct seen seen = {0};
    cr_assert_eq(run_kernel(NULL), run_kernel(&seen));
    cr_assert_gt(seen.faults, 50);
    cr_assert_gt(seen.writes, 10);
    cr_assert_gt(seen.large, 0, "its own 4 MB pages");
}

/* ---- a small policy, and what cannot be ---- */

struct odd {
    const char *says;
    uint32_t pde, pte, upper, lower;
    uint32_t more; /* rights that keep adds */
    int kind;      /* of the first access to 0x120000; 0: the right one */
};

static uint32_t rights(uint32_t entry, bool page)
{
    if (!(entry & A))
        return 0;
    return page && !(entry & D) ? entry & (P | US) : entry & (P | RW | US);
}

static struct vmm_shadow_answer small(void *context, const struct vmm_shadow_fault *fault)
{
    const struct odd *odd = context;
    bool write = fault->error_code & RW, here = fault->linear >> 12 == 0x120 && !write;
    uint32_t pde = fault->directory_entry | A, pte = fault->table_entry | A | (write ? D : 0);
    struct vmm_shadow_answer answer = {.kind = VMM_SHADOW_HIDDEN,
                                       .directory_entry = pde,
                                       .table_entry = pte,
                                       .directory_rights = rights(pde, false),
                                       .table_rights = rights(pte, true)};
    cr_assert_eq(fault->directory_entry & ~(uint32_t)A, TABLE | P | RW | US);
    if (fault->traced)
        answer.table_rights &= ~(uint32_t)RW;
    if (fault->traced && write)
        answer.kind = VMM_SHADOW_TRACE;
    if (!here)
        return answer;
    answer.kind = odd->kind ? (enum vmm_shadow_kind)odd->kind : answer.kind;
    answer.directory_entry ^= odd->pde;
    answer.table_entry ^= odd->pte;
    answer.directory_rights ^= odd->upper;
    answer.table_rights ^= odd->lower;
    return answer;
}

static uint32_t keep(void *context, const struct vmm_shadow_change *change)
{
    const struct odd *odd = context;
    return odd->more | (change->rights & rights(change->entry, !change->directory));
}

Test(module_shadow, a_policy_of_ones_own_runs_the_guest)
{
    struct odd none = {0};
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *vm = start(technique);
        uint32_t pte = 0;
        cr_assert_eq(vmm_module_replace_shadow(vm, small, keep, &none, NULL), VMM_OK);
        cr_assert_eq(vmm_module_state(vm, "allocator.shadow"), VMM_MODULE_REPLACED);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_EXIT, "%s: %s", technique, vmm_stop_text(vm));
        cr_assert_eq(exit_code(vm), 5);
        vmm_read_physical(vm, TABLE + 0x120 * 4, &pte, sizeof pte);
        cr_assert_eq(pte, 0x120000 | P | US | A | D);
        vmm_destroy(vm);
    }
}

Test(module_shadow, what_cannot_be_stops_the_guest)
{
    struct odd cases[] = {
        {.says = "the processor only sets A and D", .pte = 0x1000},
        {.says = "the processor only sets A and D", .pte = P},
        {.says = "the processor only sets A and D", .pde = D},
        {.says = "gave shadow entries the rights 0x5 and 0x4005", .upper = RW, .lower = 0x4000},
        {.says = "which refuse the access (error code 0x0) again", .lower = P},
        {.says = "which refuse the access (error code 0x0) again", .upper = P},
        {.says = "which writes to no page table", .kind = VMM_SHADOW_TRACE},
        {.says = "called a page fault 77", .kind = 77},
        {.says = "kept the rights 0xd", .more = 8 | P},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vmm_vm *vm = start("trap");
        cr_assert_eq(vmm_module_replace_shadow(vm, small, keep, &cases[i], NULL), VMM_OK);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE, "%s: %s", cases[i].says,
                     vmm_stop_text(vm));
        cr_assert(strstr(vmm_stop_text(vm), "Module allocator.shadow misbehaved: it ") &&
                      strstr(vmm_stop_text(vm), cases[i].says),
                  "%s: %s", cases[i].says, vmm_stop_text(vm));
        vmm_destroy(vm);
    }
}

static struct vmm_shadow_answer always(void *context, const struct vmm_shadow_fault *fault)
{
    struct vmm_shadow_answer answer = *(const struct vmm_shadow_answer *)context;
    if (!answer.directory_entry) {
        answer.directory_entry = fault->directory_entry;
        answer.table_entry = fault->table_entry;
    }
    return answer;
}

Test(module_shadow, true_faults_and_empty_slots)
{
    static const struct {
        struct vmm_shadow_answer answer;
        enum vmm_stop stop;
        const char *says;
    } cases[] = {
        {{.kind = VMM_SHADOW_TRUE, .error_code = 0x10}, VMM_STOP_FAILURE, "error code 0x10"},
        {{.kind = VMM_SHADOW_TRUE}, VMM_STOP_SHUTDOWN, "triple fault"}, /* there is no IDT */
        {{.kind = VMM_SHADOW_MISSING},
         VMM_STOP_FAILURE,
         "Module missing: this virtual machine has no allocator.shadow"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vmm_vm *vm = start("trap");
        cr_assert_eq(vmm_module_replace_shadow(vm, always, NULL, (void *)&cases[i].answer, NULL),
                     VMM_OK);
        cr_assert_eq(vmm_run(vm, 1000), cases[i].stop, "%zu: %s", i, vmm_stop_text(vm));
        cr_assert(strstr(vmm_stop_text(vm), cases[i].says), "%s", vmm_stop_text(vm));
        vmm_destroy(vm);
    }
    FOR_EACH_TECHNIQUE(technique)
    {
        struct vmm_vm *vm = start(technique);
        cr_assert_eq(vmm_module_remove(vm, "allocator.shadow", NULL), VMM_OK);
        cr_assert_eq(vmm_module_state(vm, "allocator.shadow"), VMM_MODULE_MISSING);
        vmm_run(vm, 12);
        if (strcmp(technique, "trap") == 0)
            cr_assert(strstr(vmm_stop_text(vm), "Module missing"), "%s", vmm_stop_text(vm));
        vmm_destroy(vm);
    }
    struct vmm_vm *interp = start("interp");
    cr_assert_eq(vmm_module_replace_shadow(interp, always, NULL, NULL, NULL), VMM_E_UNSUPPORTED);
    cr_assert_eq(vmm_module_replace_shadow(interp, NULL, NULL, NULL, NULL), VMM_E_USAGE);
    vmm_destroy(interp);
}
