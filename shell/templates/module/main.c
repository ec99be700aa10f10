/* Runs a guest twice, with the library's own module and with that of module.c, and says whether
 * anybody could tell: instructions and state digest are the same, or they are not.
 *
 *     @NAME@ [TECHNIQUE [IMAGE]]
 */
#include "module.h"

#include <stdio.h>
#include <stdlib.h>

enum { MOST_INSTRUCTIONS = 20000000, LARGEST_IMAGE = 64 << 20 };

/* What runs without an image: sti; cli; three characters to the console; hlt, which ends the run,
 * as nothing can wake a processor that takes no interrupts. */
static const unsigned char small_guest[] = {0xfb, 0xfa, 0xb0, 'O',  0xe6, 0xe9, 0xb0, 'k',
                                            0xe6, 0xe9, 0xb0, '\n', 0xe6, 0xe9, 0xf4};

struct result {
    enum vmm_stop stop;
    unsigned long long digest, instructions;
    unsigned calls; /* of the module */
};

static void output(void *context, const uint8_t *bytes, size_t count)
{
    fwrite(bytes, 1, count, context);
}

static int fail(const struct vmm_error *error)
{
    fprintf(stderr, "@NAME@: %s\n", error->text);
    return 0;
}

static int run(const char *technique, const struct vmm_image *image, int replaced,
               struct result *result)
{
    struct vmm_config config = {.technique = technique};
    struct vmm_statistics statistics;
    struct vmm_error error;
    if (replaced)
        config.console = (struct vmm_console){.context = stdout, .output = output};
    struct vmm_vm *vm = vmm_create(&config, &error);
    if (!vm)
        return fail(&error);
    if (vmm_load(vm, image, &error) != VMM_OK ||
        (replaced && vmm_module_replace(vm, SLOT, cli, &result->calls, &error) != VMM_OK)) {
        vmm_destroy(vm);
        return fail(&error);
    }
    result->stop = vmm_run(vm, MOST_INSTRUCTIONS);
    vmm_statistics(vm, &statistics);
    result->instructions = statistics.guest_instructions;
    result->digest = vmm_digest(vm);
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", replaced ? "@NAME@" : "the library", vmm_stop_text(vm));
    vmm_destroy(vm);
    return 1;
}

static int read_image(const char *name, struct vmm_image *image)
{
    FILE *file = fopen(name, "rb");
    unsigned char *bytes = malloc(LARGEST_IMAGE);
    size_t size = file && bytes ? fread(bytes, 1, LARGEST_IMAGE, file) : 0;
    if (file)
        fclose(file);
    if (!size) {
        fprintf(stderr, "@NAME@: '%s' cannot be read\n", name);
        free(bytes);
        return 0;
    }
    *image = (struct vmm_image){.file = {.name = name, .bytes = bytes, .size = (uint32_t)size}};
    return 1;
}

int main(int argc, char **argv)
{
    const char *technique = argc > 1 ? argv[1] : "trap";
    struct vmm_image image = {
        .kind = "flat@0x100000",
        .file = {.name = "the small guest", .bytes = small_guest, .size = sizeof small_guest}};
    struct result standard = {0}, mine = {0};
    if (argc > 2 && !read_image(argv[2], &image))
        return 1;
    if (!run(technique, &image, 0, &standard) || !run(technique, &image, 1, &mine))
        return 1;
    int same = standard.stop == mine.stop && standard.digest == mine.digest &&
               standard.instructions == mine.instructions;
    printf("%s was called %u times; %llu instructions, digest %016llx: %s\n", SLOT, mine.calls,
           mine.instructions, mine.digest,
           same ? "the guest cannot tell" : "the guest's state differs from what it should be");
    return same ? 0 : 1;
}
