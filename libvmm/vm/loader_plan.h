/* The plan of a loader: every piece of guest memory it is going to write or to keep free, checked
 * against memory and against each other while the plan is made. Private to the loaders. */
#ifndef VMM_VM_LOADER_PLAN_H
#define VMM_VM_LOADER_PLAN_H

#include "loader.h"

#define PLAN_PIECES 128u
#define PLAN_ARENA  16384u
#define LOADER_MOST (1u << 30) /* bytes of memory that a virtual machine can have */

/* The memory map that every loader reports, as a PC's firmware does (E820). */
#define LOW_MEMORY_END 0x9fc00u /* the extended BIOS data area begins */
#define FIRMWARE_ROM   0xf0000u
#define HIGH_MEMORY    0x100000u
#define MAP_ENTRIES    4u

struct memory_range {
    uint32_t base, size;
    uint32_t type; /* 1 memory, 2 reserved */
};

struct loader_plan {
    const struct loader_request *request;
    const struct loader_memory *memory;
    struct vmm_error *error;
    unsigned count;
    struct plan_piece {
        const char *what; /* "segment", "module": for sentences */
        uint32_t gpa;
        uint32_t size;        /* bytes of guest memory that belong to it */
        const uint8_t *bytes; /* what goes there; NULL: nothing, it is kept free */
        uint32_t filled;      /* how many bytes; the rest stays zero */
    } pieces[PLAN_PIECES];
    uint32_t arena_used;
    uint8_t arena[PLAN_ARENA]; /* for what the loaders make up: tables, strings */
};

/* The image's name for sentences. */
const char *plan_name(const struct loader_file *file);

/* Adds a piece of `size` bytes at `gpa`, the first `filled` of them from `bytes`. Fails, with the
 * error set, if it leaves memory or overlaps an earlier piece. An empty piece is left out. */
int plan_add(struct loader_plan *plan, const char *what, uint64_t gpa, uint64_t size,
             const uint8_t *bytes, uint32_t filled);

/* Finds `size` free bytes, aligned to `align` (a power of two), lowest address first in [`from`,
 * `to`) and within memory. Returns false if there are none. */
bool plan_find(const struct loader_plan *plan, uint32_t size, uint32_t align, uint64_t from,
               uint64_t to, uint32_t *gpa);

/* The same, highest address first. */
bool plan_find_high(const struct loader_plan *plan, uint32_t size, uint32_t align, uint64_t from,
                    uint64_t to, uint32_t *gpa);

/* Zeroed bytes that live as long as the plan; NULL if the arena is used up. */
uint8_t *plan_allocate(struct loader_plan *plan, uint32_t size);

/* Writes every piece. */
int plan_commit(const struct loader_plan *plan);

/* Little-endian fields of images and tables. */
uint16_t get16(const uint8_t *bytes);
uint32_t get32(const uint8_t *bytes);
void put16(uint8_t *bytes, uint16_t value);
void put32(uint8_t *bytes, uint32_t value);

/* The memory map for `size` bytes of memory, at least 1 MB; returns the number of entries. */
unsigned plan_memory_map(uint32_t size, struct memory_range map[MAP_ENTRIES]);

/* The state of a processor after reset, except CS:EIP: real mode, all segments at 0. */
void plan_reset_state(struct cpu_state *cpu);

/* 32-bit protected mode with flat segments: plans a GDT in low memory whose selector `code` is code
 * and `data` is data, and points `cpu` at it, with EIP at `entry`. Interrupts are off. */
int plan_protected_state(struct loader_plan *plan, struct cpu_state *cpu, uint16_t code,
                         uint16_t data, uint32_t entry);

/* The loaders proper: each checks and plans, and fills `result`. */
int plan_multiboot(struct loader_plan *plan, struct loader_result *result);
int plan_linux(struct loader_plan *plan, struct loader_result *result);
int plan_flat(struct loader_plan *plan, struct loader_result *result);
int plan_boot(struct loader_plan *plan, struct loader_result *result);

/* Where the Multiboot header lies in the image, or -1. */
int64_t multiboot_header(const struct loader_file *image);

/* Whether what has one says where it is to be loaded: by its addresses, or as an ELF file. */
bool multiboot_loadable(const struct loader_file *image);

/* Refuses an image that no loader takes, in a sentence that says what it may be. Returns the
 * error's code. */
int unknown_image(const struct loader_file *image, struct vmm_error *error);

bool linux_image(const struct loader_file *image);
bool boot_sector(const struct loader_file *image);

#endif
