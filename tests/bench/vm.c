/* One run of a guest through the public interface, for tests/bench/run:
 *
 *   vm TECHNIQUE virtual|host IMAGE COMMAND-LINE [INITRD]
 *
 * TECHNIQUE may be hw:shadow (its page tables) or hw:INTERCEPTS.
 * The console goes to standard error, so that standard output has one line to be read by a script:
 * nanoseconds spent in vmm_run, instructions, intercepts, exceptions, interrupts, port accesses.
 * Status: 0 when the guest ended with exit code 0 or by a reset, 1 otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/vmm.h"

enum { MEMORY = 64 << 20 };

static void print_output(void *context, const uint8_t *bytes, size_t count)
{
    (void)context;
    fwrite(bytes, 1, count, stderr);
}

static bool read_file(const char *name, struct vmm_file *file)
{
    enum { LARGEST = 64 << 20 };
    uint8_t *bytes = malloc(LARGEST);
    FILE *stream = fopen(name, "rb");
    bool good = bytes && stream;
    size_t size = good ? fread(bytes, 1, LARGEST, stream) : 0;
    good = good && feof(stream);
    if (stream)
        fclose(stream);
    if (!good) {
        fprintf(stderr, "%s cannot be read, or has more than 64 MB.\n", name);
        free(bytes);
        return false;
    }
    *file = (struct vmm_file){name, bytes, (uint32_t)size};
    return true;
}

/* The host finds memory for what the guest has when it is first written, which costs more than most
 * of what is measured. */
static void have_memory(struct vmm_vm *vm)
{
    enum { PART = 1 << 20 };
    uint8_t *part = malloc(PART);
    for (uint32_t at = 0; part && at < MEMORY; at += PART)
        vmm_write_physical(vm, at, part, vmm_read_physical(vm, at, part, PART));
    free(part);
}

static int measure(struct vmm_vm *vm)
{
    struct vmm_statistics s;
    enum vmm_stop stop = vmm_run(vm, 0);
    vmm_statistics(vm, &s);
    printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)s.host_ns,
           (unsigned long long)s.guest_instructions, (unsigned long long)s.intercepts,
           (unsigned long long)(s.exceptions + s.software_interrupts),
           (unsigned long long)s.interrupts, (unsigned long long)s.port_accesses);
    if (stop == VMM_STOP_RESET || (stop == VMM_STOP_EXIT && !s.exit_code))
        return 0;
    fprintf(stderr, "%s\n", vmm_stop_text(vm));
    return 1;
}

/* "hw:shadow" and the like: cuts off what is behind the colon, which the caller owns. */
static void choose(struct vmm_config *config, char *technique)
{
    char *colon = strchr(technique, ':');
    config->technique = technique;
    if (!colon)
        return;
    *colon = '\0';
    if (strcmp(colon + 1, "shadow") == 0)
        config->mmu = VMM_MMU_SHADOW;
    else
        config->intercepts = colon + 1;
}

int main(int argc, char **argv)
{
    struct vmm_file image = {0}, initrd = {0};
    struct vmm_error error;
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: vm TECHNIQUE virtual|host IMAGE COMMAND-LINE [INITRD]\n");
        return 2;
    }
    int status = 1;
    struct vmm_vm *vm = NULL;
    struct vmm_config config = {
        .memory_size = MEMORY,
        .clock = strcmp(argv[2], "host") ? VMM_CLOCK_VIRTUAL : VMM_CLOCK_HOST,
        .console = {.output = print_output},
    };
    choose(&config, argv[1]);
    if (!read_file(argv[3], &image) || (argc == 6 && !read_file(argv[5], &initrd)))
        goto done;
    const struct vmm_image load = {
        .file = image, .initrd = argc == 6 ? &initrd : NULL, .cmdline = argv[4]};
    vm = vmm_create(&config, &error);
    if (!vm || vmm_load(vm, &load, &error) != VMM_OK)
        fprintf(stderr, "%s\n", error.text);
    else {
        if (strstr(argv[4], "w=fresh"))
            have_memory(vm);
        status = measure(vm);
    }
done:
    vmm_destroy(vm);
    free((void *)image.bytes);
    free((void *)initrd.bytes);
    return status;
}
