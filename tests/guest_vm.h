/* Guests of the build as the tests use them. */
#ifndef VMM_TESTS_GUEST_VM_H
#define VMM_TESTS_GUEST_VM_H

#include <stddef.h>
#include <stdint.h>
#include <vmm/vmm.h>

/* The bytes of guest `name`, such as "kernel-virt.elf", to be freed with free(). Skips the test if
 * it is not built. */
uint8_t *read_guest(const char *name, size_t *size);

/* A VM with its guest loaded; the test fails if that cannot be. */
struct vmm_vm *create_vm(const struct vmm_config *config, const struct vmm_image *image);

/* A kernel in a VM of 16 MB. */
struct vmm_vm *boot(const char *technique, const uint8_t *bytes, size_t size);

/* The teaching kernel, in the build that `technique` needs, in a VM of 16 MB; "hw:shadow" is hw with
 * shadow page tables. And the `i`th of all these techniques; NULL beyond the last. */
struct vmm_vm *boot_kernel(const char *technique);
const char *technique_of_a_kernel(size_t i);

/* The `i`th technique that runs guests which were not made for it; NULL beyond the last. */
const char *technique_of_any_guest(size_t i);

#endif
