/* Loaders: from an image file to the first instruction. Each loader reads one kind of image, plans
 * every write it is going to make, checks the whole plan against memory and against itself, and
 * only then writes: a bad image changes nothing. What it leaves behind is memory and the complete
 * initial state of the processor, as the boot protocol of that kind defines it.
 *
 * Guest memory must be all zeros before, as at power-on; loaders do not write what stays zero. */
#ifndef VMM_VM_LOADER_H
#define VMM_VM_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86/state.h"
#include "vmm/error.h"

struct board;

enum loader_kind {
    LOADER_AUTO,      /* what the image looks like; never flat */
    LOADER_MULTIBOOT, /* Multiboot 1: ELF or the addresses of its header */
    LOADER_LINUX,     /* Linux bzImage, 32-bit boot protocol */
    LOADER_FLAT,      /* as it is, at an address; 32-bit protected mode */
    LOADER_BOOT,      /* boot sector at 7C00 (hexadecimal) in real mode */
};

/* Guest-physical memory, which need not be contiguous in the host. */
struct loader_memory {
    void *context;
    uint32_t size; /* bytes, from address 0 */
    /* Copies `count` bytes to `gpa`; the range lies within `size`. False if memory is exhausted. */
    bool (*write)(void *context, uint32_t gpa, const void *bytes, uint32_t count);
};

/* The contents of a file, borrowed. `name` is for error sentences and may be NULL. */
struct loader_file {
    const char *name;
    const uint8_t *bytes;
    uint32_t size;
};

struct loader_module {
    struct loader_file file;
    const char *cmdline; /* the string the kernel sees beside the module; NULL: empty */
};

#define LOADER_MODULES 32u

struct loader_request {
    enum loader_kind kind;
    uint32_t flat_address; /* LOADER_FLAT: where the image goes and execution starts */
    struct loader_file image;
    const struct loader_file *initrd; /* Linux only; NULL: none */
    const char *cmdline;              /* Multiboot and Linux only; NULL: empty */
    const struct loader_module *modules;
    size_t module_count; /* Multiboot only; at most LOADER_MODULES */
};

struct loader_result {
    enum loader_kind kind; /* what it was, never LOADER_AUTO */
    struct cpu_state cpu;
    struct loader_file disk; /* LOADER_BOOT: the image, for INT 13h; else no bytes */
};

/* Loads `request` into `memory` and fills `result`. Returns VMM_OK, or another code with `error`
 * set (VMM_E_USAGE, VMM_E_IMAGE, VMM_E_MEMORY) and memory untouched, unless `write` itself failed.
 */
int loader_load(const struct loader_request *request, const struct loader_memory *memory,
                struct loader_result *result, struct vmm_error *error);

/* What LOADER_AUTO would take `image` for; LOADER_AUTO if for nothing. */
enum loader_kind loader_detect(const struct loader_file *image);

/* After loader_load, on a board that was just powered on: for a boot sector, programs the devices
 * as firmware does and inserts the disk (which borrows the image's bytes). Nothing for other kinds.
 */
void loader_prepare_board(const struct loader_result *result, struct board *board);

/* Reads a whole file, at most `limit` bytes. On success `file->bytes` is the caller's to give to
 * loader_free_file; `file->name` is `path` itself. Fails with VMM_E_IO or VMM_E_MEMORY: missing,
 * unreadable, a directory, too large. An empty file succeeds with size 0. */
int loader_read_file(const char *path, uint32_t limit, struct loader_file *file,
                     struct vmm_error *error);
void loader_free_file(struct loader_file *file);

/* Parses `text` as --load takes it: auto, multiboot, linux, boot, or flat@ADDR with ADDR as C
 * writes numbers. VMM_E_USAGE with a sentence otherwise. */
int loader_parse_kind(const char *text, enum loader_kind *kind, uint32_t *flat_address,
                      struct vmm_error *error);

#endif
