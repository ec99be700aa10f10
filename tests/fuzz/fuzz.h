/* What the fuzzers share: the entry that libFuzzer calls (and driver.c, where there is none), and a
 * small guest. Whatever an input is, there may be no crash, no hang and no leak. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <vmm/vmm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FUZZ_ORIGIN = 0x100000 };

/* 32-bit code at FUZZ_ORIGIN that counts in memory, uses the stack, makes traps, and never ends:
 * a STI, a CLI, a port and a call in a loop. */
static const uint8_t fuzz_code[] = {
    0xbc, 0x00, 0x00, 0x18, 0x00,             /* mov esp,0x180000 */
    0x40,                                     /* again: inc eax */
    0xa3, 0x00, 0x10, 0x10, 0x00,             /* mov [0x101000],eax */
    0xfa,                                     /* cli */
    0xe6, 0x80,                               /* out 0x80,al */
    0xe8, 0x02, 0x00, 0x00, 0x00,             /* call two */
    0xeb, 0xf0,                               /* jmp again */
    0x55, 0x89, 0xe5, 0x0f, 0x20, 0xc1, 0x5d, /* two: push ebp; mov ebp,esp; mov ecx,cr0; pop ebp */
    0xc3,                                     /* ret */
};

/* A VM with that code, at its beginning: the one of the input before, if that can still run, for
 * making one takes longer than most inputs do. NULL if there is none to be had. */
struct vmm_vm *fuzz_vm(bool trap);

/* Instructions that it has retired so far. */
uint64_t fuzz_retired(const struct vmm_vm *vm);

#endif
