/* Starting, watching and ending the grader's processes. Each is a process group of its own, so that
 * nothing is left behind; none inherits a descriptor that it is not given. */
#define _GNU_SOURCE /* pipe2, execvpe */
#include "shell/lab_process.h"

#include "labs/grader/evidence.h"
#include "labs/grader/sandbox.h"
#include "shell/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The runner waits for nothing and its processor time is limited: this is for one that is stopped.
 * On a busy machine a second of processor time may take long: who has had one gets as long again.
 */
enum { WALL_SECONDS = 120, MOST_DESCRIPTORS = 256 };

enum ending { ENDED, LATE, FLOODED };

/* Whether `process` has used a second of processor time since `*used`, which is moved on. */
static bool has_worked(pid_t process, uint64_t *used)
{
    clockid_t clock;
    struct timespec now;
    if (process <= 0 || clock_getcpuclockid(process, &clock) != 0 ||
        clock_gettime(clock, &now) != 0)
        return false;
    uint64_t before = *used;
    *used = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / CLOCK_NS_PER_MS;
    return *used >= before + 1000;
}

/* Reads until the end, until there are `seconds` in which `worker` has done next to nothing (0:
 * until `seconds` are over), or, if `flood`, until there is more than `room`. */
static enum ending collect(int from, uint8_t *bytes, size_t room, size_t *count, int seconds,
                           bool flood, pid_t worker)
{
    uint64_t used = 0, end = clock_ns() + (uint64_t)seconds * 1000 * CLOCK_NS_PER_MS;
    uint8_t rest[4096];
    *count = 0;
    for (;;) {
        uint64_t now = clock_ns(), left = now < end ? (end - now) / CLOCK_NS_PER_MS : 0;
        struct pollfd poll_for = {.fd = from, .events = POLLIN};
        if (!left || poll(&poll_for, 1, (int)left) == 0) {
            if (!has_worked(worker, &used))
                return LATE;
            end = clock_ns() + (uint64_t)seconds * 1000 * CLOCK_NS_PER_MS;
            continue;
        }
        ssize_t got = *count < room ? read(from, bytes + *count, room - *count)
                                    : read(from, rest, sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ENDED;
        if (*count < room)
            *count += (size_t)got;
        else if (flood)
            return FLOODED;
    }
}

static int wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    kill(-child, SIGKILL); /* whatever it left behind */
    return status;
}

/* In the child: `from` as 0 and so on, -1: nothing; all others are closed. */
static void take_descriptors(const int from[4])
{
    int high[4];
    for (int i = 0; i < 4; i++)
        high[i] = from[i] < 0 ? -1 : fcntl(from[i], F_DUPFD, 10);
    for (int i = 0; i < 4; i++)
        if (high[i] < 0 ? from[i] >= 0 : dup2(high[i], i) < 0)
            _exit(126);
    for (int fd = from[3] < 0 ? 3 : 4; fd < MOST_DESCRIPTORS; fd++)
        close(fd);
}

/* ---- tools ---- */

/* In the child: what a compiler may have that reads a student's file. */
static void confine(const char *folder)
{
    const struct rlimit seconds = {60, 61}, memory = {(rlim_t)2 << 30, (rlim_t)2 << 30},
                        file = {64 << 20, 64 << 20}, none = {0, 0};
    if (chdir(folder) != 0 || setrlimit(RLIMIT_CPU, &seconds) != 0 ||
        setrlimit(RLIMIT_AS, &memory) != 0 || setrlimit(RLIMIT_FSIZE, &file) != 0 ||
        setrlimit(RLIMIT_CORE, &none) != 0)
        _exit(126);
    setenv("TMPDIR", ".", 1);
    setenv("LC_ALL", "C", 1);
    if (geteuid() == 0 &&
        (setgroups(0, NULL) != 0 || setgid(SANDBOX_NOBODY) != 0 || setuid(SANDBOX_NOBODY) != 0))
        _exit(126);
}

static int run(char *const arguments[], const char *folder, char *output, size_t room, int seconds)
{
    int pipes[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    size_t count = 0;
    if (null < 0 || pipe2(pipes, O_CLOEXEC) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        take_descriptors((const int[4]){null, pipes[1], pipes[1], -1});
        if (folder)
            confine(folder);
        execvp(arguments[0], arguments);
        _exit(127);
    }
    close(null);
    close(pipes[1]);
    if (child > 0 &&
        collect(pipes[0], (uint8_t *)output, room - 1, &count, seconds, false, 0) != ENDED)
        kill(-child, SIGKILL);
    output[count] = '\0';
    close(pipes[0]);
    return child > 0 ? wait_for(child) : -1;
}

int lab_run(char *const arguments[], char *output, size_t room, int seconds)
{
    return run(arguments, NULL, output, room, seconds);
}

int lab_run_confined(char *const arguments[], const char *folder, char *output, size_t room,
                     int seconds)
{
    output[0] = '\0';
    if (geteuid() == 0 && chown(folder, SANDBOX_NOBODY, SANDBOX_NOBODY) != 0)
        return -1;
    return run(arguments, folder, output, room, seconds);
}

/* ---- students' modules ---- */

static void become_child(const struct lab_child *child, int channel)
{
    static char *const bare[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};
    int in = open(child->input, O_RDONLY | O_CLOEXEC),
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    setpgid(0, 0);
    if (in < 0 || null < 0 || chdir(child->folder) != 0)
        _exit(LAB_NO_MACHINE);
    take_descriptors((const int[4]){in, null, null, channel});
    execve(child->arguments[0], child->arguments, bare);
    _exit(LAB_NO_MACHINE);
}

void lab_run_child(struct lab_child *child)
{
    int pipes[2];
    child->status = -1;
    child->count = 0;
    child->late = child->flooded = false;
    if (pipe2(pipes, O_CLOEXEC) != 0)
        return;
    pid_t process = fork();
    if (process == 0)
        become_child(child, pipes[1]);
    close(pipes[1]);
    if (process > 0) {
        enum ending ending = collect(pipes[0], child->evidence, child->room, &child->count,
                                     WALL_SECONDS, true, process);
        child->late = ending == LATE;
        child->flooded = ending == FLOODED;
        if (ending != ENDED)
            kill(-process, SIGKILL);
        child->status = wait_for(process);
    }
    close(pipes[0]);
}

const char *lab_ending(const struct lab_child *child, unsigned seconds, char *text, size_t room)
{
    int status = child->status;
    if (child->flooded)
        return "it wrote more to the grader's channel than there can be";
    if (child->late)
        return "it was still waiting when its time was over";
    if (status == -1)
        return "it could not be started";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        snprintf(text, room, "it never returns: %u seconds of processor time were used up",
                 seconds);
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
        return "it wrote to a file";
    else if (WIFSIGNALED(status))
        snprintf(text, room, "it crashed: %s", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == LAB_NO_MODULE)
        return "what the file has to define is missing, or it needs a function that is nowhere";
    else if (WEXITSTATUS(status) == LAB_NO_SLOT)
        return "a name in lab_modules is no module's, or its last entry, {.slot = NULL}, is "
               "missing";
    else if (WEXITSTATUS(status) == LAB_NO_CHANNEL)
        return "it closed the grader's channel";
    else
        snprintf(text, room, "it ended the process itself, with status %d", WEXITSTATUS(status));
    return text;
}
