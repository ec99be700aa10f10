/* A read-only disk for the boot-sector loader. An image that a 1.44 MB diskette can hold is one, as
 * the boot sectors that count on its geometry (18 sectors, 2 heads) expect it; what the image lacks
 * are zeros. A larger one has the usual 63 sectors and 16 heads. */
#include "disk.h"

#include <string.h>

#include "../board.h"

#define DISKETTE 1474560u

static bool is_diskette(const struct disk *disk)
{
    return disk->size <= DISKETTE;
}

uint32_t disk_sectors(const struct disk *disk)
{
    if (is_diskette(disk))
        return DISKETTE / DISK_SECTOR;
    return disk->size / DISK_SECTOR + (disk->size % DISK_SECTOR != 0);
}

static uint8_t next_byte(struct disk *disk)
{
    uint64_t at = disk->position++;
    return at < disk->size ? disk->image[at] : 0;
}

static uint8_t disk_in(void *device, uint16_t port)
{
    struct disk *disk = device;
    if (!disk->image)
        return 0xff;
    switch (port & 7) {
    case 4: return next_byte(disk);
    case 5:
        return disk->position > (uint64_t)disk_sectors(disk) * DISK_SECTOR ||
               disk->lba >= disk_sectors(disk);
    case 6: return is_diskette(disk) ? 18 : 63;
    case 7: return is_diskette(disk) ? 2 : 16;
    default: return (uint8_t)(disk_sectors(disk) >> (8 * (port & 3)));
    }
}

static void disk_out(void *device, uint16_t port, uint8_t value)
{
    struct disk *disk = device;
    unsigned byte = port & 7;
    if (byte > 3)
        return;
    disk->lba = (disk->lba & ~(0xffu << (8 * byte))) | (uint32_t)value << (8 * byte);
    if (byte == 3)
        disk->position = (uint64_t)disk->lba * DISK_SECTOR;
}

static const struct bus_device disk_ports = {.name = "disk", .in = disk_in, .out = disk_out};

void disk_init(struct disk *disk, struct board *board)
{
    memset(disk, 0, sizeof *disk);
    disk_wire(disk, board);
}

void disk_wire(struct disk *disk, struct board *board)
{
    disk->board = board;
    bus_claim(&board->bus, 0x560, 0x567, &disk_ports, disk);
}

void disk_insert(struct disk *disk, const uint8_t *image, uint32_t size)
{
    disk->image = image;
    disk->size = size;
    disk->position = 0;
}
