/* The self-test: every program with a result that does not depend on when the timer interrupts.
 * What runs at the same time prints nothing until its parent collects it, in order. */
#include "user.h"

static uint32_t failures;

static void check(const char *name, bool good)
{
    failures += !good;
    print("%s: %s\n", name, good ? "ok" : "FAILED");
}

static void start(const char *program, const char *argument)
{
    char *argv[] = {(char *)program, (char *)argument, NULL};
    int status = run(program, argv);
    if (status)
        print("%s: status %d\n", program, status);
}

/* Busy for a while, in its own way; preempted at any point. */
static uint32_t work(uint32_t seed)
{
    uint32_t value = seed, table[64] = {0};
    for (uint32_t i = 0; i < 24000; i++) {
        value = value * 1664525 + 1013904223;
        table[value >> 26] += value ^ i;
    }
    for (uint32_t i = 0; i < 64; i++)
        value ^= table[i];
    return value;
}

static void preemption(void)
{
    int children[4];
    bool good = true;
    for (uint32_t i = 0; i < 4; i++) {
        children[i] = fork();
        if (!children[i])
            exit((int)(work(i) & 0x7F));
    }
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t status = 0;
        wait(children[i], &status);
        good &= status == (work(i) & 0x7F);
    }
    check("four processes at work", good);
}

static void sleeping(void)
{
    int children[4];
    uint32_t begin = ticks();
    for (uint32_t i = 0; i < 4; i++) {
        children[i] = fork();
        if (!children[i]) {
            sleep_ticks(4 - i);
            exit(ticks() - begin >= 4 - i ? 0 : 1);
        }
    }
    bool good = true;
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t status = 1;
        wait(children[i], &status);
        good &= status == 0;
    }
    check("sleep", good);
}

static void yielding(void)
{
    uint32_t status = 1;
    int child = fork();
    for (int i = 0; i < 50; i++)
        yield();
    if (!child)
        exit(0);
    wait(child, &status);
    check("yield", status == 0);
}

/* A sieve in heap memory that is taken page by page while it runs. */
static void sieve(void)
{
    const uint32_t size = 64 * 1024;
    uint8_t *composite = sbrk((int)size);
    uint32_t count = 0;
    for (uint32_t n = 2; n < size; n++) {
        if (composite[n])
            continue;
        count++;
        for (uint32_t multiple = n * n; n < 256 && multiple < size; multiple += n)
            composite[multiple] = 1;
    }
    sbrk(-(int)size);
    print("%u primes below %u by the sieve\n", count, size);
}

int selftest_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    check("getpid", getpid() == 1);
    run("args", (char *[]){"args", "one", "", "three words here", NULL});
    start("echo", "echo echoes");
    start("ls", NULL);
    start("cat", "popek");
    start("ps", "brief");
    start("forktest", "12");
    start("cowtest", NULL);
    start("memtest", NULL);
    start("stacktest", NULL);
    start("primes", "3000");
    sieve();
    start("faults", NULL);
    preemption();
    sleeping();
    yielding();
    print("self-test: %u failures\n", failures);
    return failures ? 1 : 0;
}
