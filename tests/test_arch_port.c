/* The I/O permission check against SDM volume 1, section 19.5, and volume 2, IN. */
#include <criterion/criterion.h>

#include "arch/x86/port.h"
#include "protected_mode.h"

static struct x86_memory memory;
static struct flat_memory *flat;
static struct cpu_state cpu;

#define BITMAP 0x68u

static void set_up(void)
{
    flat = flat_create(&memory);
    world_build(flat, &cpu);
    world_enter(flat, &cpu, 3);
    flat_put16(flat, WORLD_TSS + 0x66, BITMAP);
    cpu.tr.limit = BITMAP + 0x40; /* ports 0 to 0x1ff, and the byte behind them */
    memset(flat->bytes + WORLD_TSS + BITMAP, 0xff, 0x41);
}

static void tear_down(void)
{
    free(flat);
}

TestSuite(arch_port, .init = set_up, .fini = tear_down);

static bool allowed(uint16_t port, unsigned size)
{
    struct x86_event fault;
    enum x86_status status = x86_port_allowed(&cpu, &memory, port, size, &fault);

    if (status == X86_FAULT) {
        cr_assert_eq(fault.vector, X86_GP);
        cr_assert_eq(fault.error_code, 0u);
    }
    return status == X86_OK;
}

static void permit(uint16_t port)
{
    flat->bytes[WORLD_TSS + BITMAP + port / 8] &= (uint8_t) ~(1u << port % 8);
}

Test(arch_port, iopl_decides_first)
{
    cr_assert_not(allowed(0x60, 1));
    cpu.eflags |= X86_IOPL;
    cr_assert(allowed(0x60, 1));
    cpu.eflags = X86_FIXED | 1u << X86_IOPL_SHIFT;
    world_enter(flat, &cpu, 1);
    cr_assert(allowed(0x60, 1));
    cpu.eflags = X86_FIXED;
    cr_assert_not(allowed(0x60, 1));
    world_enter(flat, &cpu, 0);
    cr_assert(allowed(0x60, 1));
}

/* One bit a port, and all bits of a wide access must be clear. */
Test(arch_port, bitmap)
{
    permit(0x61);
    permit(0x62);
    permit(0x63);
    permit(0x64);
    cr_assert(allowed(0x61, 1));
    cr_assert_not(allowed(0x60, 1));
    cr_assert(allowed(0x61, 2));
    cr_assert(allowed(0x61, 4));
    cr_assert_not(allowed(0x62, 4));
    cr_assert_not(allowed(0x60, 2));
}

Test(arch_port, access_across_two_bytes)
{
    permit(0x67);
    permit(0x68);
    cr_assert(allowed(0x67, 2));
    cr_assert_not(allowed(0x67, 4));
    permit(0x69);
    permit(0x6a);
    cr_assert(allowed(0x67, 4));
}

/* The processor reads two bytes: the last byte of the bitmap alone is not enough. */
Test(arch_port, limit)
{
    memset(flat->bytes + WORLD_TSS + BITMAP, 0, 0x42);
    cr_assert(allowed(0x1ff, 1));
    cr_assert_not(allowed(0x200, 1));
    cpu.tr.limit--;
    cr_assert_not(allowed(0x1ff, 1));
    cr_assert(allowed(0x1f7, 1));
}

/* A base beyond the limit: there is no bitmap. */
Test(arch_port, no_bitmap)
{
    memset(flat->bytes + WORLD_TSS + BITMAP, 0, 0x42);
    flat_put16(flat, WORLD_TSS + 0x66, 0xffff);
    cr_assert_not(allowed(0, 1));
    cpu.tr.limit = 0x66;
    cr_assert_not(allowed(0, 1));
}

Test(arch_port, sixteen_bit_tss_has_none)
{
    memset(flat->bytes + WORLD_TSS + BITMAP, 0, 0x42);
    cpu.tr.attributes = X86_SEG_PRESENT | X86_TSS16_BUSY << 8;
    cr_assert_not(allowed(0, 1));
}

/* Section 20.2.8: in virtual-8086 mode the bitmap decides alone, whatever IOPL is. */
Test(arch_port, virtual_8086_mode)
{
    cpu.eflags |= X86_VM | X86_IOPL;
    cr_assert_not(allowed(0x60, 1));
    permit(0x60);
    cr_assert(allowed(0x60, 1));
}

Test(arch_port, real_mode)
{
    cpu.cr0 = 0;
    cr_assert(allowed(0x60, 4));
}

Test(arch_port, restarts)
{
    struct x86_event fault;

    flat->away[WORLD_TSS / X86_PAGE_SIZE] = true;
    cr_assert_eq(x86_port_allowed(&cpu, &memory, 0x60, 1, &fault), X86_NEED_PAGE);
}
