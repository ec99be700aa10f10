/* Frames of machine memory: each has one owner at a time, and a VM gets no more than there is. */
#include <criterion/criterion.h>

#include "allocator/frames.h"

#define SIZE (4u << 20)

static struct memory memory;
static struct frames pool;

static void set_up(void)
{
    cr_assert(memory_init(&memory, SIZE));
    cr_assert(frames_init(&pool, &memory, 64, 7));
}

static void tear_down(void)
{
    frames_destroy(&pool);
    memory_destroy(&memory);
}

TestSuite(frames, .init = set_up, .fini = tear_down);

Test(frames, a_map_is_neither_identity_nor_contiguous)
{
    struct frame_map map;

    cr_assert(frame_map_init(&map, &pool, 2, 2u << 20));
    cr_assert_eq(map.pages, 512u);
    for (uint32_t page = 0; page < map.pages; page++) {
        cr_assert_neq(map.frame[page], page);
        cr_assert(page == 0 || map.frame[page] != map.frame[page - 1] + 1);
        cr_assert_eq(frames_owner(&pool, map.frame[page]), 2);
        for (uint32_t other = 0; other < page; other++) {
            cr_assert_neq(map.frame[page], map.frame[other]);
        }
    }
    cr_assert_eq(frame_map_machine(&map, 0x3abc), map.frame[3] << 12 | 0xabc);
    cr_assert_eq(frame_map_machine(&map, 2u << 20), FRAMES_NONE);
    cr_assert_null(frame_map_page(&map, 2u << 20));
    frame_map_destroy(&map);
}

Test(frames, the_same_seed_gives_the_same_map)
{
    struct frames second;
    struct frame_map a, b;

    cr_assert(frames_init(&second, &memory, 64, 7));
    cr_assert(frame_map_init(&a, &pool, 2, 1u << 20) && frame_map_init(&b, &second, 2, 1u << 20));
    cr_assert_arr_eq(a.frame, b.frame, a.pages * sizeof *a.frame);
    frame_map_destroy(&a);
    frame_map_destroy(&b);
    frames_destroy(&second);
}

Test(frames, two_vms_share_nothing_and_a_third_is_refused)
{
    struct frame_map a, b, c;

    cr_assert(frame_map_init(&a, &pool, 2, 2u << 20));
    cr_assert(frame_map_init(&b, &pool, 3, SIZE - (2u << 20) - 64 * 4096));
    cr_assert_eq(frames_available(&pool), 0u);
    for (uint32_t page = 0; page < a.pages; page++) {
        cr_assert_eq(frames_owner(&pool, a.frame[page]), 2);
    }
    cr_assert_not(frame_map_init(&c, &pool, 4, 4096));
    cr_assert_eq(c.pages, 0u);
    frame_map_destroy(&c);
    frame_map_destroy(&a);
    cr_assert_eq(frames_available(&pool), 512u);
    cr_assert(frame_map_init(&c, &pool, 4, 4096));
    frame_map_destroy(&c);
    frame_map_destroy(&b);
    cr_assert_eq(frames_available(&pool), SIZE / 4096 - 64);
}

Test(frames, the_reserve_is_the_vmms)
{
    struct frame_map map;
    uint32_t frame[65];

    cr_assert(frame_map_init(&map, &pool, 2, SIZE - 64 * 4096));
    for (unsigned i = 0; i < 64; i++) {
        frame[i] = frames_take(&pool);
        cr_assert_neq(frame[i], FRAMES_NONE);
        cr_assert_eq(frames_owner(&pool, frame[i] >> 12), FRAMES_VMM);
    }
    cr_assert_eq(frames_take(&pool), FRAMES_NONE);
    frames_give_back(&pool, frame[9]);
    cr_assert_eq(frames_take(&pool), frame[9]);
    frame_map_destroy(&map);
}

Test(frames, a_frame_comes_zeroed_whoever_had_it)
{
    struct frame_map map;

    cr_assert(frame_map_init(&map, &pool, 2, 1u << 20));
    memset(frame_map_page(&map, 0x5000), 0xee, 4096);
    frame_map_destroy(&map);
    cr_assert(frame_map_init(&map, &pool, 3, 2u << 20));
    for (uint32_t address = 0; address < 2u << 20; address += 4096) {
        cr_assert_eq(frame_map_page(&map, address)[17], 0);
    }
    frame_map_destroy(&map);
}

Test(frames, a_reserve_larger_than_the_machine_is_refused)
{
    struct frames other;

    cr_assert_not(frames_init(&other, &memory, SIZE / 4096 + 1, 1));
}
