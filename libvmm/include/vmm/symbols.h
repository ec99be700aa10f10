/** @file
 * Symbols: the names that a guest's image gives to its linear addresses. They come from the symbol
 * table of an ELF image when it is loaded; other images have none. */
#ifndef VMM_SYMBOLS_H
#define VMM_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/vm.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The symbol at or before the linear address `linear`, in the same section, and in `offset` (may
 * be NULL) how many bytes lie between. NULL if there is none. The name is the VM's; it is printable
 * ASCII whatever the file says, '?' standing for other bytes. */
const char *vmm_symbol(const struct vmm_vm *vm, uint32_t linear, uint32_t *offset);

/** Looks a symbol up by its name: puts its linear address into `linear`. False if there is none. Of
 * several with one name, a global one wins. */
bool vmm_symbol_address(const struct vmm_vm *vm, const char *name, uint32_t *linear);

/** The `i`th symbol's name in the order of addresses, for completion; NULL beyond the last. */
const char *vmm_symbol_name(const struct vmm_vm *vm, size_t i);

/** Adds the symbols of another ELF file, such as a user program's or a kernel's that was loaded
 * from a stripped image: `file` is not needed behind the call. At an address where both have one,
 * those that were there before win. Returns VMM_OK, VMM_E_IMAGE if the file has none, or
 * VMM_E_MEMORY, with `error` set. */
int vmm_symbols_add(struct vmm_vm *vm, const struct vmm_file *file, struct vmm_error *error);

/** Writes "name+0x1c", or "name" at the symbol itself, for the linear address `linear` into `text`,
 * which has `room` bytes and is always terminated; "" if there is no symbol. Returns the length
 * that it would have with enough room. */
size_t vmm_symbol_text(const struct vmm_vm *vm, uint32_t linear, char *text, size_t room);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
