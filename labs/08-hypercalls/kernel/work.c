/* User programs of the lab's: what they print depends on `seed=` of the command line, which they
 * read from the file "cmdline", and not on when the timer interrupts. */
#include "user.h"

enum { WORDS = 6 * 1024, CHILDREN = 4 };

static uint32_t words[WORDS];

static uint32_t seed_of_the_day(void)
{
    char line[128] = "";
    int file = open("cmdline"), count = read(file, line, sizeof line - 1);
    close(file);
    for (int i = 0; i + 5 < count; i++)
        if (line[i] == 's' && line[i + 1] == 'e' && line[i + 2] == 'e' && line[i + 3] == 'd' &&
            line[i + 4] == '=')
            return number(line + i + 5);
    return 1;
}

static uint32_t next(uint32_t value)
{
    return value * 1664525 + 1013904223;
}

static uint32_t sum_of(const uint32_t *from, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum = sum * 31 + from[i];
    return sum;
}

/* Each child writes to pages that it shares with its parent, for longer than a slice. */
static uint32_t child_work(uint32_t seed)
{
    for (uint32_t i = 0; i < WORDS * 4; i++) {
        seed = next(seed);
        words[(seed >> 8) % WORDS] ^= seed;
    }
    return sum_of(words, WORDS);
}

static void children(uint32_t seed)
{
    int pids[CHILDREN];
    for (uint32_t i = 0; i < CHILDREN; i++) {
        pids[i] = fork();
        if (!pids[i])
            exit((int)(child_work(seed + i) & 0x7F));
    }
    for (uint32_t i = 0; i < CHILDREN; i++) {
        uint32_t status = 0;
        wait(pids[i], &status);
        print("child %u: %x\n", i, status);
    }
}

int work_main(int argc, char **argv)
{
    const uint32_t seed = seed_of_the_day();
    uint32_t value = seed;
    (void)argc, (void)argv;
    for (uint32_t i = 0; i < WORDS; i++)
        words[i] = value = next(value);
    const uint32_t before = sum_of(words, WORDS);
    children(seed);
    print("the parent's words: %x, %s\n", before,
          sum_of(words, WORDS) == before ? "as before" : "changed");
    const uint32_t pages = 8 + seed % 16;
    uint32_t *map = mmap(pages * PAGE_SIZE), *heap = sbrk((int)(pages * PAGE_SIZE));
    for (uint32_t i = 0; i < pages * (PAGE_SIZE / 4); i += 64)
        map[i] = heap[i] = value = next(value);
    print("%u pages twice: %x %x\n", pages, sum_of(map, pages * (PAGE_SIZE / 4)),
          sum_of(heap, pages * (PAGE_SIZE / 4)));
    munmap(map, pages * PAGE_SIZE);
    sbrk(-(int)(pages * PAGE_SIZE));
    return run("echo", (char *[]){"echo", "a", "program", NULL});
}

/* One line from the console, from its end to its beginning. */
int line_main(int argc, char **argv)
{
    char line[100];
    (void)argc, (void)argv;
    print("a line? ");
    int count = read(0, line, sizeof line);
    print("%d characters: ", count);
    for (int i = count - 2; i >= 0; i--)
        print("%c", line[i]);
    print("\n");
    return 0;
}
