/* The small programs, and the table by which the kernel and the start-up code know all of them. */
#include "user.h"

static int args_main(int argc, char **argv)
{
    print("%d arguments:", argc);
    for (int i = 0; i < argc; i++)
        print(" [%s]", argv[i]);
    print("\n");
    return argc;
}

static int cat_main(int argc, char **argv)
{
    char bytes[32];
    for (int i = 1; i < argc; i++) {
        int file = open(argv[i]), count;
        if (file < 0) {
            print("cat: no file %s\n", argv[i]);
            return 1;
        }
        while ((count = read(file, bytes, sizeof bytes)) > 0)
            write(1, bytes, (uint32_t)count);
        close(file);
    }
    return 0;
}

static int echo_main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        print(i + 1 < argc ? "%s " : "%s", argv[i]);
    print("\n");
    return 0;
}

static void list(const char *title, uint32_t kind)
{
    char name[32];
    print("%s:", title);
    for (uint32_t i = 0; system_call(SYS_LIST, kind, i, (uint32_t)name) >= 0; i++)
        print(" %s", name);
    print("\n");
}

static int ls_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    list("programs", 0);
    list("files", 1);
    return 0;
}

/* With an argument it leaves out the states, which depend on when it is asked. */
static int ps_main(int argc, char **argv)
{
    char line[80];
    int length;
    const bool brief = argc > 1;
    (void)argv;
    print(brief ? "  PID NAME\n" : "  PID NAME       STATE\n");
    for (uint32_t i = 0; (length = system_call(SYS_PS, i, (uint32_t)line, sizeof line)) >= 0; i++) {
        if (length && brief) {
            length = 16;
            while (line[length - 1] == ' ')
                length--;
            line[length++] = '\n';
        }
        write(1, line, (uint32_t)length);
    }
    return 0;
}

/* Counts the primes below argv[1], by trial division: long enough to be preempted. */
static int primes_main(int argc, char **argv)
{
    uint32_t limit = argc > 1 ? number(argv[1]) : 2000, found = 0;
    for (uint32_t n = 2; n < limit; n++) {
        bool prime = true;
        for (uint32_t d = 2; d * d <= n && prime; d++)
            prime = n % d != 0;
        found += prime;
    }
    print("%u primes below %u\n", found, limit);
    return 0;
}

/* `argv[1]` children at once, each of which forks one itself; their statuses are summed. */
static int forktest_main(int argc, char **argv)
{
    int count = argc > 1 ? (int)number(argv[1]) : 8, children[24], sum = 0;
    if (count > 24)
        count = 24;
    for (int i = 0; i < count; i++) {
        children[i] = fork();
        if (children[i] < 0) {
            print("fork failed\n");
            return 1;
        }
        if (!children[i]) {
            uint32_t status = 0;
            int grandchild = fork();
            if (!grandchild)
                exit(i);
            if (grandchild > 0)
                wait(grandchild, &status);
            exit((int)status + 1);
        }
    }
    for (int i = 0; i < count; i++) {
        uint32_t status = 0;
        if (wait(children[i], &status) != children[i])
            return 1;
        sum += (int)status;
    }
    print("%d children and grandchildren, sum of statuses %d\n", count, sum);
    return 0;
}

enum { COW_WORDS = 8 * 1024 };
static uint32_t shared[COW_WORDS];
static volatile uint32_t offset = 1000; /* initialised data, from the image */

static uint32_t checksum(const uint32_t *words, uint32_t count)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < count; i++)
        sum = sum * 31 + words[i];
    return sum;
}

/* Children write pages that they share with the parent; nobody sees another's writes. */
static int cowtest_main(int argc, char **argv)
{
    uint32_t before, wrong = 0;
    int children[4];
    (void)argc, (void)argv;
    for (uint32_t i = 0; i < COW_WORDS; i++)
        shared[i] = i;
    before = checksum(shared, COW_WORDS);
    for (uint32_t child = 0; child < 4; child++) {
        children[child] = fork();
        if (children[child])
            continue;
        offset += child;
        for (uint32_t i = child; i < COW_WORDS; i += 1024)
            shared[i] += offset;
        bool good = true;
        for (uint32_t i = 0; i < COW_WORDS; i++)
            good &= shared[i] == (i % 1024 == child ? i + 1000 + child : i);
        exit(good ? 0 : 1);
    }
    for (uint32_t child = 0; child < 4; child++) {
        uint32_t status = 1;
        wait(children[child], &status);
        wrong += status;
    }
    bool kept = checksum(shared, COW_WORDS) == before && offset == 1000;
    print("copy on write: %u children wrong, the parent's pages %s\n", wrong,
          kept ? "as before" : "CHANGED");
    return wrong || !kept;
}

/* Zeros on demand, from sbrk and mmap; patterns; and what munmap takes away. */
static int memtest_main(int argc, char **argv)
{
    const uint32_t size = 256 * 1024;
    uint32_t wrong = 0, status = 0;
    (void)argc, (void)argv;
    uint32_t *heap = sbrk((int)size), *map = mmap(size);
    if (!heap || !map) {
        print("no memory\n");
        return 1;
    }
    for (uint32_t i = 0; i < size / 4; i += 64)
        wrong += heap[i] != 0 || map[i] != 0;
    for (uint32_t i = 0; i < size / 4; i += 16) {
        heap[i] = i * 2654435761u;
        map[i] = ~i;
    }
    for (uint32_t i = 0; i < size / 4; i += 16)
        wrong += heap[i] != i * 2654435761u || map[i] != ~i;
    print("memory: %u words wrong\n", wrong);
    if (!fork()) {
        munmap(map, size);
        map[0] = 1; /* ends us */
        exit(0);
    }
    wait(0, &status);
    print("after munmap: status %x\n", status);
    sbrk(-(int)size);
    uint32_t *again = sbrk((int)size);
    print("given back and taken again: %s\n", again == heap && !again[16] ? "zeros" : "NOT zeros");
    return wrong != 0;
}

static uint32_t deep(uint32_t level)
{
    volatile char block[512];
    block[0] = (char)level;
    return level ? deep(level - 1) + (uint32_t)(block[0] == (char)level) : 0;
}

/* A stack that grows on demand, within its limit and beyond. */
static int stacktest_main(int argc, char **argv)
{
    uint32_t status = 0;
    (void)argc, (void)argv;
    print("80 calls deep: %u\n", deep(80));
    if (!fork())
        exit((int)deep(100000));
    wait(0, &status);
    print("too deep: status %x\n", status);
    return 0;
}

static int sleep_main(int argc, char **argv)
{
    sleep_ticks(argc > 1 ? number(argv[1]) : 1);
    return 0;
}

static int uptime_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    print("%u ticks\n", ticks());
    return 0;
}

const struct program programs[] = {
    {"args", args_main},
    {"cat", cat_main},
    {"cowtest", cowtest_main},
    {"echo", echo_main},
    {"faults", faults_main},
    {"forktest", forktest_main},
    {"ls", ls_main},
    {"memtest", memtest_main},
    {"primes", primes_main},
    {"ps", ps_main},
    {"selftest", selftest_main},
    {"sh", shell_main},
    {"sleep", sleep_main},
    {"stacktest", stacktest_main},
    {"uptime", uptime_main},
#ifdef LAB
    {"work", work_main},
    {"line", line_main},
#endif
    {NULL, NULL},
};
