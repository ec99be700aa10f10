/* The assembled bytes of firmware.S, which answer the BIOS calls of a boot sector. */
#ifndef VMM_VM_FIRMWARE_H
#define VMM_VM_FIRMWARE_H

#include <stdint.h>

#define FIRMWARE_SEGMENT 0xf000u
#define FIRMWARE_OFFSET  0xe000u /* where the first byte belongs in that segment */
#define FIRMWARE_SIZE    1157u

extern const uint8_t firmware_code[FIRMWARE_SIZE];

#endif
