/* Round-robin slices: nobody gets a second turn before everybody who wants one has had a first. */
#include "allocator/slices.h"

#include <criterion/criterion.h>

Test(slices, by_turns)
{
    struct slices_vm vm[3] = {{.left = 25}, {.left = UINT64_MAX}, {.left = 0}};
    struct slices slices = {.count = 3, .slice = 10, .vm = vm};
    static const struct {
        size_t vm;
        uint64_t instructions;
    } expected[] = {{0, 10}, {1, 10}, {0, 10}, {1, 10}, {0, 5}, {1, 10}, {1, 10}};
    size_t turn;
    uint64_t instructions;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        cr_assert(slices_next(&slices, &turn, &instructions));
        cr_assert_eq(turn, expected[i].vm, "turn %zu", i);
        cr_assert_eq(instructions, expected[i].instructions, "turn %zu", i);
    }
    vm[1].done = true;
    cr_assert_not(slices_next(&slices, &turn, &instructions));
}
