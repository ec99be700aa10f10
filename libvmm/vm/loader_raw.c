/* Images without a header: a flat binary at an address, and a boot sector.
 *
 * A flat binary starts at its first byte in 32-bit protected mode with flat segments (code 08, data
 * 10), interrupts off, and a stack that grows down from the end of conventional memory. A boot
 * sector starts at 0000:7C00 in real mode with the drive's number in DL, as the IBM PC's firmware
 * leaves it, with the interrupt vector table and the calls of firmware.S behind it. */
#include <string.h>

#include "error.h"
#include "firmware.h"
#include "loader_plan.h"

#define SECTOR         512u
#define BOOT_ADDRESS   0x7c00u
#define BOOT_DRIVE     0x80u
#define VECTORS        256u
#define BIOS_DATA      0x400u
#define BIOS_DATA_SIZE 0x100u

bool boot_sector(const struct loader_file *image)
{
    return image->size >= SECTOR && image->bytes[510] == 0x55 && image->bytes[511] == 0xaa;
}

int plan_flat(struct loader_plan *plan, struct loader_result *result)
{
    const struct loader_file *image = &plan->request->image;
    uint32_t address = plan->request->flat_address;
    int status = plan_add(plan, "flat image", address, image->size, image->bytes, image->size);
    if (status == VMM_OK)
        status = plan_protected_state(plan, &result->cpu, 0x08, 0x10, address);
    if (status != VMM_OK)
        return status;
    /* Not into the image: then at the end of all memory. */
    bool below = address < LOW_MEMORY_END && address + image->size > LOW_MEMORY_END / 2;
    result->cpu.gpr[X86_ESP] = below ? plan->memory->size & ~15u : LOW_MEMORY_END;
    return VMM_OK;
}

static uint16_t firmware_word(unsigned at)
{
    return get16(firmware_code + at);
}

static void set_vector(uint8_t *table, unsigned vector, uint16_t offset)
{
    put16(table + 4 * vector, offset);
    put16(table + 4 * vector + 2, FIRMWARE_SEGMENT);
}

/* The firmware's code begins with the list of its handlers, see firmware.S. */
static int plan_vectors(struct loader_plan *plan)
{
    uint8_t *table = plan_allocate(plan, 4 * VECTORS);
    if (!table)
        return error_set(plan->error, VMM_E_MEMORY, "no room for the vector table");
    for (unsigned i = 0; i < VECTORS; i++)
        set_vector(table, i, firmware_word(0));
    for (unsigned at = 2; firmware_word(at) < VECTORS; at += 4)
        set_vector(table, firmware_word(at), firmware_word(at + 2));
    return plan_add(plan, "vector table", 0, 4 * VECTORS, table, 4 * VECTORS);
}

/* The BIOS data area: what programs look at without calling. */
static int plan_bios_data(struct loader_plan *plan)
{
    uint8_t *data = plan_allocate(plan, BIOS_DATA_SIZE);
    if (!data)
        return error_set(plan->error, VMM_E_MEMORY, "no room for the BIOS data area");
    put16(data + 0x00, 0x3f8);                 /* the serial port */
    put16(data + 0x0e, LOW_MEMORY_END >> 4);   /* segment of the extended BIOS data area */
    put16(data + 0x10, 0x0022);                /* equipment */
    put16(data + 0x13, LOW_MEMORY_END / 1024); /* KB of memory */
    data[0x49] = 3;                            /* text mode, 80 columns, 25 lines */
    put16(data + 0x4a, 80);
    put16(data + 0x63, 0x3d4);
    data[0x75] = 1; /* fixed disks */
    data[0x84] = 24;
    return plan_add(plan, "BIOS data area", BIOS_DATA, BIOS_DATA_SIZE, data, BIOS_DATA_SIZE);
}

int plan_boot(struct loader_plan *plan, struct loader_result *result)
{
    const struct loader_file *image = &plan->request->image;
    if (!boot_sector(image))
        return error_set(plan->error, VMM_E_IMAGE,
                         "%.80s: it is no boot sector, whose bytes 510 and 511 are 55 AA; "
                         "--load flat@ADDR loads a binary as it is",
                         plan_name(image));
    int status = plan_vectors(plan);
    if (status == VMM_OK)
        status = plan_bios_data(plan);
    if (status == VMM_OK)
        status = plan_add(plan, "boot sector", BOOT_ADDRESS, SECTOR, image->bytes, SECTOR);
    if (status == VMM_OK)
        status = plan_add(plan, "firmware", (FIRMWARE_SEGMENT << 4) + FIRMWARE_OFFSET,
                          FIRMWARE_SIZE, firmware_code, FIRMWARE_SIZE);
    if (status != VMM_OK)
        return status;
    plan_reset_state(&result->cpu);
    result->cpu.eip = BOOT_ADDRESS;
    result->cpu.eflags |= X86_IF;
    result->cpu.gpr[X86_ESP] = BOOT_ADDRESS;
    result->cpu.gpr[X86_EDX] = BOOT_DRIVE;
    result->disk = *image;
    return VMM_OK;
}
