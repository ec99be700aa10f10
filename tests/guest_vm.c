/* See guest_vm.h. */
#include "guest_vm.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t *read_guest(const char *name, size_t *size)
{
    char path[512];
    const char *build = getenv("VMM_BUILD");
    snprintf(path, sizeof path, "%s/guests/%s", build ? build : "build", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        cr_skip("%s is not built", path);
    uint8_t *bytes = malloc(8 << 20);
    *size = fread(bytes, 1, 8 << 20, file);
    fclose(file);
    return bytes;
}

struct vmm_vm *create_vm(const struct vmm_config *config, const struct vmm_image *image)
{
    struct vmm_error error;
    struct vmm_vm *vm = vmm_create(config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, image, &error), VMM_OK, "%s", error.text);
    return vm;
}

struct vmm_vm *boot(const char *technique, const uint8_t *bytes, size_t size)
{
    const struct vmm_config config = {.memory_size = 16 << 20, .technique = technique};
    const struct vmm_image image = {.file = {.bytes = bytes, .size = (uint32_t)size}};
    return create_vm(&config, &image);
}

const char *technique_of_a_kernel(size_t i)
{
    size_t count = 0;
    while (vmm_technique(count))
        count++;
    return i == count ? "hw:shadow" : vmm_technique(i);
}

struct vmm_vm *boot_kernel(const char *technique)
{
    const bool shadow = strcmp(technique, "hw:shadow") == 0, para = strcmp(technique, "para") == 0;
    size_t size;
    uint8_t *bytes = read_guest(para ? "kernel-para.elf" : "kernel-virt.elf", &size);
    const struct vmm_config config = {.memory_size = 16 << 20,
                                      .technique = shadow ? "hw" : technique,
                                      .mmu = shadow ? VMM_MMU_SHADOW : VMM_MMU_DEFAULT};
    const struct vmm_image image = {.file = {.bytes = bytes, .size = (uint32_t)size}};
    struct vmm_vm *vm = create_vm(&config, &image);
    free(bytes);
    return vm;
}

const char *technique_of_any_guest(size_t i)
{
    const char *name;
    for (size_t k = 0; (name = vmm_technique(k)); k++)
        if (strcmp(name, "para") != 0 && i-- == 0)
            break;
    return name;
}
