/* The disk behind the boot-sector loader's INT 13h: a read-only image, reached through ports that
 * no PC has (hexadecimal), because a documented stub of firmware is all that uses it:
 *
 *   560-563  out  sector number (LBA), lowest byte first; the byte at 563 starts a transfer there
 *            in   number of sectors: of a 1.44 MB diskette, or of a larger image, rounded up
 *   564      in   the next byte of the transfer (REP INSB); zero behind the end of the image
 *   565      in   status: 0, or 1 if the transfer started or has run behind the last sector
 *   566      in   sectors a track       567  in  heads
 */
#ifndef VMM_MACHINE_DEVICES_DISK_H
#define VMM_MACHINE_DEVICES_DISK_H

#include <stdint.h>

#define DISK_SECTOR 512u

struct board;

struct disk {
    struct board *board;
    const uint8_t *image; /* borrowed; NULL: no disk, every port reads as ones */
    uint32_t size;        /* bytes */
    uint32_t lba;         /* as the guest writes it */
    uint64_t position;    /* byte offset of the transfer */
};

void disk_init(struct disk *disk, struct board *board);

/* Claims ports 560-567. */
void disk_wire(struct disk *disk, struct board *board);

/* Inserts an image of `size` bytes, which the caller keeps as long as the board. */
void disk_insert(struct disk *disk, const uint8_t *image, uint32_t size);

/* The number of 512-byte sectors, the last one perhaps incomplete; those of a diskette for an image
 * that fits on one of 1.44 MB. */
uint32_t disk_sectors(const struct disk *disk);

#endif
