/* Ports and interrupt lines have one owner at a time. */
#include <criterion/criterion.h>

#include "allocator/ports.h"

static struct ports ports;

TestSuite(ports);

Test(ports, a_port_has_one_owner)
{
    cr_assert(ports_give(&ports, 2, 0x3f8, 8));
    cr_assert(ports_give(&ports, 2, 0x3f8, 1));
    cr_assert_not(ports_give(&ports, 3, 0x3f0, 9));
    cr_assert_not(ports_allow(&ports, 3, 0x3f0, 1), "a refused request gives nothing");
    cr_assert(ports_allow(&ports, 2, 0x3fc, 4));
    cr_assert_not(ports_allow(&ports, 2, 0x3fe, 4), "the last two bytes are nobody's");
    cr_assert_not(ports_allow(&ports, 3, 0x3f8, 1));
    ports_take_back(&ports, 2);
    cr_assert(ports_give(&ports, 3, 0x3f0, 9));
}

Test(ports, ranges_end_with_the_port_space)
{
    cr_assert_not(ports_give(&ports, 2, 0x10000, 1));
    cr_assert_not(ports_give(&ports, 2, 0xffff, 2));
    cr_assert_not(ports_give(&ports, 2, 0, 0xffffffff));
    cr_assert_not(ports_give(&ports, 2, 0, 0));
    cr_assert(ports_give(&ports, 2, 0xffff, 1));
    cr_assert_not(ports_allow(&ports, 2, 0xffff, 2));
    cr_assert(ports_give(&ports, 2, 0, 1));
    cr_assert(ports_allow(&ports, 2, 0xffff, 2));
}

Test(ports, a_line_has_one_owner)
{
    cr_assert(lines_give(&ports, 2, 4));
    cr_assert_not(lines_give(&ports, 3, 4));
    cr_assert_eq(lines_owner(&ports, 4), 2);
    cr_assert_eq(lines_owner(&ports, 5), PORTS_NOBODY);
    cr_assert_not(lines_give(&ports, 2, LINES_COUNT));
    cr_assert_eq(lines_owner(&ports, LINES_COUNT), PORTS_NOBODY);
    ports_take_back(&ports, 2);
    cr_assert(lines_give(&ports, 3, 4));
}
