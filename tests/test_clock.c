/* Virtual time: deadlines, their order, and the latency rule of port accesses (machine/clock.h). */
#include <criterion/criterion.h>

#include "machine/clock.h"

static struct clock clock_;
static int order[8];
static int fired;
static uint64_t fired_at[8];
static int numbers[3] = {0, 1, 2};

static void note(void *device, uint64_t now)
{
    order[fired] = *(int *)device;
    fired_at[fired++] = now;
}

static void set_up(void)
{
    fired = 0;
    clock_init(&clock_);
    for (int i = 0; i < 3; i++)
        clock_add(&clock_, "t", note, &numbers[i]);
}

Test(clock, starts_with_nothing_armed, .init = set_up)
{
    cr_assert_eq(clock_.now, 0);
    cr_assert_eq(clock_.next, CLOCK_NEVER);
    clock_advance(&clock_, UINT64_MAX - 1);
    cr_assert_eq(fired, 0);
}

Test(clock, fires_in_the_order_of_deadlines_then_numbers, .init = set_up)
{
    clock_arm(&clock_, 0, 30);
    clock_arm(&clock_, 2, 20);
    clock_arm(&clock_, 1, 20);
    cr_assert_eq(clock_.next, 20);
    clock_advance(&clock_, 19);
    cr_assert_eq(fired, 0);
    clock_advance(&clock_, 30);
    cr_assert_eq(fired, 3);
    cr_assert_eq(order[0], 1);
    cr_assert_eq(order[1], 2);
    cr_assert_eq(order[2], 0);
    cr_assert_eq(clock_.next, CLOCK_NEVER);
}

Test(clock, a_timer_fires_once_and_can_be_disarmed, .init = set_up)
{
    clock_arm(&clock_, 0, 10);
    clock_advance(&clock_, 10);
    clock_advance(&clock_, 11);
    cr_assert_eq(fired, 1);
    clock_arm(&clock_, 0, 20);
    clock_arm(&clock_, 0, CLOCK_NEVER);
    clock_advance(&clock_, 100);
    cr_assert_eq(fired, 1);
}

Test(clock, an_access_moves_near_deadlines_by_the_latency, .init = set_up)
{
    clock_advance(&clock_, 5000);
    clock_.in_access = true;
    clock_arm(&clock_, 0, 5001);
    clock_arm(&clock_, 1, 5000 + CLOCK_LATENCY + 7);
    clock_.in_access = false;
    clock_arm(&clock_, 2, 5002);
    cr_assert_eq(clock_.timers[0].deadline, 5000 + CLOCK_LATENCY);
    cr_assert_eq(clock_.timers[1].deadline, 5000 + CLOCK_LATENCY + 7);
    cr_assert_eq(clock_.timers[2].deadline, 5002);
}

static void rearm_in_the_past(void *device, uint64_t now)
{
    (void)device;
    (void)now;
    fired++;
    clock_arm(&clock_, 3, 1);
}

Test(clock, a_timer_that_rearms_itself_in_the_past_does_not_hang, .init = set_up)
{
    clock_add(&clock_, "bad", rearm_in_the_past, NULL);
    clock_arm(&clock_, 3, 10);
    clock_advance(&clock_, 50);
    cr_assert_eq(fired, 1);
    cr_assert_eq(clock_.next, 51);
}
