/* How fast one goes back, and how fast gdb goes on:
 *
 *   reverse VMM IMAGE TECHNIQUE...
 *
 * For each technique: the time of the first and, in the median, of the next hundred steps back by
 * one instruction in a run of ten million; the slowest of some jumps to anywhere in a run of a
 * hundred million; what keeping the history costs the run; and single steps a second over gdb's
 * protocol, with VMM as the server. IMAGE has to run so long: spin.elf. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/vmm.h"

enum { STEPS = 100, JUMPS = 12, GDB_STEPS = 5000, FRAME = 256 };

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct vmm_vm *boot(const char *technique, const struct vmm_file *file, bool history)
{
    struct vmm_error error;
    const struct vmm_config config = {.technique = technique};
    const struct vmm_image image = {.file = *file};
    struct vmm_vm *vm = vmm_create(&config, &error);
    if (!vm || vmm_load(vm, &image, &error) != VMM_OK ||
        (history && vmm_history_start(vm, NULL, &error) != VMM_OK)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return vm;
}

static double run_ms(struct vmm_vm *vm, uint64_t instructions)
{
    double begin = now_ms();
    if (vmm_run(vm, instructions) != VMM_STOP_LIMIT) {
        fprintf(stderr, "%s\n", vmm_stop_text(vm));
        exit(1);
    }
    return now_ms() - begin;
}

static double back_ms(struct vmm_vm *vm, uint64_t instructions)
{
    struct vmm_error error;
    double begin = now_ms();
    if (vmm_back(vm, instructions, &error) != VMM_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return now_ms() - begin;
}

static void measure_history(const char *technique, const struct vmm_file *file)
{
    const uint64_t ten = 10000000, hundred = 100000000;
    double steps[STEPS], slowest = 0;
    struct vmm_vm *plain = boot(technique, file, false), *vm = boot(technique, file, true);
    struct vmm_error error;
    run_ms(plain, ten);
    run_ms(vm, ten);
    double first = back_ms(vm, 1);
    for (unsigned i = 0; i < STEPS; i++)
        steps[i] = back_ms(vm, 1);
    qsort(steps, STEPS, sizeof *steps, by_size);
    vmm_goto(vm, ten, &error);
    double without = run_ms(plain, hundred - ten), with = run_ms(vm, hundred - ten);
    for (unsigned i = 0; i < JUMPS; i++) {
        double begin = now_ms();
        vmm_goto(vm, (i * 7919 % JUMPS) * (hundred / JUMPS) + 12345, &error);
        double taken = now_ms() - begin;
        slowest = taken > slowest ? taken : slowest;
    }
    printf(
        "%-8s step back %6.2f ms, the first %6.2f ms (goal 50); any of 100 million %7.1f ms (goal "
        "2000); history %+.0f %%\n",
        technique, steps[STEPS / 2], first, slowest, 100 * (with / without - 1));
    vmm_destroy(plain);
    vmm_destroy(vm);
}

/* ---- gdb's protocol ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    for (unsigned i = 0; i < 100; i++) {
        if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        usleep(100000);
    }
    fprintf(stderr, "The server does not listen at %s.\n", path);
    exit(1);
}

/* Sends a packet, and waits for the end of the answer. */
static void ask(int fd, const char *data)
{
    char frame[FRAME];
    unsigned sum = 0, hashes = 0;
    for (const char *c = data; *c; c++)
        sum += (unsigned char)*c;
    int length = snprintf(frame, sizeof frame, "$%s#%02x", data, sum & 0xff);
    if (write(fd, frame, (size_t)length) != length)
        exit(1);
    for (unsigned behind = 0; !hashes || behind < 3;) {
        char byte;
        if (read(fd, &byte, 1) != 1)
            exit(1);
        hashes |= byte == '#';
        behind += hashes;
    }
}

static void measure_gdb(const char *program, const char *technique, const char *image)
{
    char path[64], place[72];
    snprintf(path, sizeof path, "/tmp/vmm-bench-%d", (int)getpid());
    snprintf(place, sizeof place, "unix:%s", path);
    fflush(stdout);
    pid_t server = fork();
    if (server == 0) {
        freopen("/dev/null", "w", stderr);
        freopen("/dev/null", "w", stdout);
        execl(program, program, "gdb", "-t", technique, "--listen", place, image, (char *)NULL);
        _exit(127);
    }
    int fd = connect_to(path);
    ask(fd, "QStartNoAckMode");
    for (unsigned i = 0; i < GDB_STEPS / 10; i++)
        ask(fd, "s");
    double begin = now_ms();
    for (unsigned i = 0; i < GDB_STEPS; i++)
        ask(fd, "s");
    printf("%-8s %.0f single steps a second over gdb's protocol (goal 5000)\n", technique,
           GDB_STEPS / (now_ms() - begin) * 1e3);
    close(fd);
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[8 << 20];
    FILE *file = argc > 3 ? fopen(argv[2], "rb") : NULL;
    if (!file) {
        fprintf(stderr, "usage: reverse VMM IMAGE TECHNIQUE...\n");
        return 2;
    }
    const struct vmm_file image = {argv[2], bytes, (uint32_t)fread(bytes, 1, sizeof bytes, file)};
    fclose(file);
    for (int i = 3; i < argc; i++) {
        measure_history(argv[i], &image);
        measure_gdb(argv[1], argv[i], argv[2]);
    }
    return 0;
}
