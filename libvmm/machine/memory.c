/* Machine memory is anonymous and lazily populated: a gigabyte costs the host only what the guest
 * touches. */
#include "memory.h"

#include <sys/mman.h>

static uint8_t *reserve(uint32_t size)
{
    void *bytes =
        mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        return 0;
    madvise(bytes, size, MADV_HUGEPAGE);
    return bytes;
}

bool memory_init(struct memory *memory, uint32_t size)
{
    memory->size = (size + MEMORY_FRAME_SIZE - 1) & ~(MEMORY_FRAME_SIZE - 1);
    memory->bytes = reserve(memory->size);
    memory->firmware = reserve(MEMORY_FIRMWARE_SIZE);
    if (memory->bytes && memory->firmware)
        return true;
    memory_destroy(memory);
    return false;
}

void memory_destroy(struct memory *memory)
{
    if (memory->bytes)
        munmap(memory->bytes, memory->size);
    if (memory->firmware)
        munmap(memory->firmware, MEMORY_FIRMWARE_SIZE);
    memory->bytes = memory->firmware = 0;
}

void memory_populate(const struct memory *memory)
{
#ifdef MADV_POPULATE_READ
    madvise(memory->bytes, memory->size, MADV_POPULATE_READ);
#else
    (void)memory;
#endif
}
