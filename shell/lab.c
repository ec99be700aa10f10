/* Grading. The process with the student's code is not believed: it sends states, not verdicts; what
 * the states have to be is computed here, by the library's own modules, for guests whose numbers
 * are drawn after the build. Whatever else happens over there - a crash, exit(0), text that looks
 * like a result - leaves states missing, and a missing state is a failed test with a sentence. */
#define _GNU_SOURCE /* pipe2, execvpe */
#include "shell/lab.h"

#include "labs/grader/evidence.h"
#include "shell/clock.h"
#include "shell/file.h"
#include "shell/lab_compare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RANDOM_OFFSET = 8, RANDOM_BYTES = 32, MOST_MODULES = 16, WALL_SECONDS = 20 };

static __attribute__((format(printf, 3, 4))) void say(char *text, size_t room, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, room, format, arguments);
    va_end(arguments);
}

/* ---- processes ---- */

/* Reads until the end, or until `seconds` are over; then kills. Returns the bytes kept. */
static size_t collect(pid_t child, int from, void *bytes, size_t room, int seconds, bool *late)
{
    uint64_t end = clock_ns() + (uint64_t)seconds * 1000 * CLOCK_NS_PER_MS;
    size_t count = 0;
    char rest[4096];
    *late = false;
    for (;;) {
        uint64_t now = clock_ns(), left = now < end ? (end - now) / CLOCK_NS_PER_MS : 0;
        struct pollfd poll_for = {.fd = from, .events = POLLIN};
        if (!left || poll(&poll_for, 1, (int)left) == 0) {
            *late = true;
            break;
        }
        ssize_t got = count < room ? read(from, (char *)bytes + count, room - count)
                                   : read(from, rest, sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        if (count < room)
            count += (size_t)got;
    }
    if (*late)
        kill(-child, SIGKILL);
    return count;
}

/* In the child: descriptors `in`, `out`, `error` as 0, 1, 2, `channel` as 3, nothing else open. */
static void become(char *const arguments[], int in, int out, int error, int channel)
{
    static char *const bare[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL};
    setpgid(0, 0);
    channel = channel < 0 ? -1 : fcntl(channel, F_DUPFD, 10);
    in = fcntl(in, F_DUPFD, 10);
    out = fcntl(out, F_DUPFD, 10);
    error = fcntl(error, F_DUPFD, 10);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(error, 2) < 0 ||
        (channel >= 0 && dup2(channel, LAB_CHANNEL) < 0))
        _exit(126);
    for (int fd = channel < 0 ? 3 : LAB_CHANNEL + 1; fd < 256; fd++)
        close(fd);
    execvpe(arguments[0], arguments, channel < 0 ? environ : bare);
    _exit(127);
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

int lab_run(char *const arguments[], char *output, size_t room, int seconds)
{
    int pipes[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool late;
    if (null < 0 || pipe2(pipes, O_CLOEXEC) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0)
        become(arguments, null, pipes[1], pipes[1], -1);
    close(null);
    close(pipes[1]);
    size_t count = child > 0 ? collect(child, pipes[0], output, room - 1, seconds, &late) : 0;
    output[count] = '\0';
    close(pipes[0]);
    return child > 0 ? wait_for(child) : -1;
}

/* ---- the list of tests ---- */

static void field(const char *text, const char *key, char *value, size_t room)
{
    const char *at = strstr(text, key);
    value[0] = '\0';
    if (!at)
        return;
    at += strlen(key);
    say(value, room, "%.*s", (int)strcspn(at, "\n"), at);
    char *end = strstr(value, " */");
    if (end)
        *end = '\0';
}

static bool read_test(const char *folder, const char *name, struct lab_test *test)
{
    char path[LAB_PATH], text[2048], points[32];
    size_t count;
    say(path, sizeof path, "%.3000s/%.255s", folder, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    count = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[count] = '\0';
    *test = (struct lab_test){0};
    say(test->file, sizeof test->file, "%s", name);
    field(text, "name: ", test->name, sizeof test->name);
    field(text, "points: ", points, sizeof points);
    field(text, "modules: ", test->modules, sizeof test->modules);
    field(text, "hint: ", test->hint, sizeof test->hint);
    test->points = strtod(points, NULL);
    return test->name[0] && test->points > 0;
}

static int is_guest(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 2 && strcmp(entry->d_name + length - 2, ".S") == 0;
}

bool lab_find_tests(const struct lab_places *places, struct lab_result *result)
{
    struct dirent **entries;
    int count = scandir(places->tests, &entries, is_guest, alphasort);
    for (int i = 0; i < count; i++) {
        if (result->count < LAB_MOST_TESTS &&
            read_test(places->tests, entries[i]->d_name, &result->tests[result->count]))
            result->count++;
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return result->count > 0;
}

/* ---- building ---- */

static const char *tool(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return value && value[0] ? value : otherwise;
}

#define WORDS(...) ((char *[]){__VA_ARGS__, NULL})

static bool build_module(const struct lab_places *places, struct lab_result *result)
{
    char include[LAB_PATH + 2], labs[LAB_PATH + 2], out[LAB_PATH + 16], names[16384];
    say(include, sizeof include, "-I%s", places->include);
    say(labs, sizeof labs, "-I%s", places->labs);
    say(out, sizeof out, "%s/module.so", places->work);
    if (lab_run(WORDS((char *)tool("CC", "cc"), "-shared", "-fPIC", "-std=gnu17", "-O1", "-g",
                      "-Wall", "-Wextra", include, labs, "-o", out, (char *)places->source),
                result->output, sizeof result->output, 60) != 0) {
        if (!result->output[0])
            say(result->output, sizeof result->output, "The compiler cannot be run.");
        return false;
    }
    /* The library must not do the student's work. */
    if (lab_run(WORDS("nm", "-D", "-u", out), names, sizeof names, 20) != 0) {
        say(result->output, sizeof result->output, "nm cannot be run; install binutils.");
        return false;
    }
    for (char *line = strtok(names, "\n"); line; line = strtok(NULL, "\n")) {
        const char *name = strrchr(line, ' ') ? strrchr(line, ' ') + 1 : line;
        bool allowed = strcmp(name, "vmm_call_read") == 0 || strcmp(name, "vmm_call_write") == 0;
        if ((strncmp(name, "vmm_", 4) == 0 && !allowed) || strncmp(name, "dlopen", 6) == 0 ||
            strncmp(name, "dlsym", 5) == 0 || strncmp(name, "dlvsym", 6) == 0 ||
            strncmp(name, "dlmopen", 7) == 0) {
            say(result->output, sizeof result->output,
                "The file calls %s. A module of this lab may call vmm_call_read and "
                "vmm_call_write of the library, nothing else.",
                name);
            return false;
        }
    }
    return true;
}

static bool build_runner(const struct lab_places *places, char why[LAB_SENTENCE])
{
    char include[LAB_PATH + 2], labs[LAB_PATH + 2], source[LAB_PATH + 32], out[LAB_PATH + 16],
        library[LAB_PATH + 2], path[LAB_PATH + 16];
    say(include, sizeof include, "-I%s", places->include);
    say(labs, sizeof labs, "-I%s", places->labs);
    say(source, sizeof source, "%s/grader/runner.c", places->labs);
    say(out, sizeof out, "%s/runner", places->work);
    say(library, sizeof library, "-L%s", places->library);
    say(path, sizeof path, "-Wl,-rpath,%s", places->library);
    return lab_run(WORDS((char *)tool("CC", "cc"), "-std=gnu17", "-O1", include, labs, "-o", out,
                         source, library, "-lvmm", "-ldl", path),
                   why, LAB_SENTENCE, 60) == 0;
}

static bool build_guest(const struct lab_places *places, const struct lab_test *test,
                        uint8_t *guest, size_t *size, char why[LAB_SENTENCE])
{
    char source[LAB_PATH + 260], out[LAB_PATH + 16];
    struct vmm_file file;
    struct vmm_error error;
    say(source, sizeof source, "%s/%s", places->tests, test->file);
    say(out, sizeof out, "%s/guest.bin", places->work);
    if (lab_run(WORDS((char *)tool("GUEST_CC", "cc"), "-m32", "-nostdlib", "-static", "-no-pie",
                      "-Wl,-Ttext=0x100000", "-Wl,-e,0x100000", "-Wl,--oformat=binary",
                      "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-o", out, source),
                why, LAB_SENTENCE, 60) != 0)
        return false;
    bool good = vmm_file_read(out, &file, &error) && file.size <= LAB_GUEST_ROOM &&
                file.size >= RANDOM_OFFSET + RANDOM_BYTES;
    if (good) {
        memcpy(guest, file.bytes, file.size);
        *size = file.size;
    } else {
        say(why, LAB_SENTENCE, "%s is no guest of a lab", test->file);
    }
    vmm_file_free(&file);
    return good;
}

/* ---- one test ---- */

static size_t run_reference(const uint8_t *guest, size_t size, struct lab_evidence *states,
                            char why[LAB_SENTENCE])
{
    struct lab_evidence evidence = {0};
    struct vmm_error error;
    struct vmm_vm *vm = lab_vm("trap", guest, size, &evidence, &error);
    size_t count = 0;
    if (!vm)
        say(why, LAB_SENTENCE, "%s", error.text);
    for (bool more = vm != NULL; more && count < LAB_STEPS;) {
        more = lab_step(vm, &evidence);
        states[count++] = evidence;
    }
    vmm_destroy(vm);
    return count;
}

/* Runs the guest with the student's module; how many whole states came. */
static size_t run_module(const struct lab_places *places, const struct lab_test *test,
                         const uint8_t *guest, size_t size, struct lab_evidence *states,
                         uint64_t nonce, int *status, bool *late)
{
    char runner[LAB_PATH + 16], module[LAB_PATH + 16], number[32], path[LAB_PATH + 16];
    char names[MOST_MODULES][64], modules[256], *arguments[MOST_MODULES + 5];
    int pipes[2], count = 0, in, null;
    size_t got = 0;
    say(runner, sizeof runner, "%s/runner", places->work);
    say(module, sizeof module, "%s/module.so", places->work);
    say(path, sizeof path, "%s/guest.run", places->work);
    say(number, sizeof number, "%llx", (unsigned long long)nonce);
    say(modules, sizeof modules, "%s", test->modules);
    arguments[count++] = runner;
    arguments[count++] = module;
    arguments[count++] = "trap";
    arguments[count++] = number;
    for (char *word = strtok(modules, " "); word && count < MOST_MODULES + 4;
         word = strtok(NULL, " ")) {
        say(names[count - 4], sizeof names[0], "interpreter.%.40s", word);
        arguments[count] = names[count - 4];
        count++;
    }
    arguments[count] = NULL;
    *status = -1;
    FILE *file = fopen(path, "we");
    if (!file || fwrite(guest, 1, size, file) != size || fclose(file) != 0 ||
        pipe2(pipes, O_CLOEXEC) != 0)
        return 0;
    in = open(path, O_RDONLY | O_CLOEXEC);
    null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    pid_t child = fork();
    if (child == 0)
        become(arguments, in, null, null, pipes[1]);
    close(in);
    close(null);
    close(pipes[1]);
    if (child > 0) {
        got = collect(child, pipes[0], states, LAB_STEPS * sizeof *states, WALL_SECONDS, late);
        close(pipes[0]);
        *status = wait_for(child);
    }
    return got / sizeof *states;
}

static const char *name_ending(int status, bool late, char *text, size_t room)
{
    if (late)
        return "it was still running, or waiting, when its time was over";
    if (status == -1)
        return "it could not be started";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
        return "it never returns: 3 seconds of processor time were used up";
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ)
        return "it wrote to a file";
    if (WIFSIGNALED(status))
        say(text, room, "it crashed: %s", strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == LAB_NO_MODULE)
        return "lab_modules is missing, or the file needs a function that is nowhere";
    else
        say(text, room, "it ended the process itself, with status %d", WEXITSTATUS(status));
    return text;
}

static void fail_test(struct lab_test *test, const struct lab_evidence *before, size_t step,
                      const char *what)
{
    char at[64] = "";
    if (before)
        say(at, sizeof at, ", at EIP 0x%08x", before->registers.eip);
    say(test->output, sizeof test->output,
        "Instruction %zu of the guest %s%s:\n%.900s\nHint: %s.\nTo see what has to happen: make "
        "%.*s.bin && vmm debug --load flat@0x100000 %.*s.bin",
        step + 1, test->file, at, what, test->hint, (int)strlen(test->file) - 2, test->file,
        (int)strlen(test->file) - 2, test->file);
}

static bool same(const struct lab_evidence *a, const struct lab_evidence *b)
{
    char text[LAB_SENTENCE];
    lab_differences(a, b, text, sizeof text);
    return !text[0];
}

static void judge(struct lab_test *test, const struct lab_evidence *expected, size_t wanted,
                  const struct lab_evidence *got, size_t count, uint64_t nonce, int status,
                  bool late)
{
    char what[LAB_SENTENCE], room[256];
    size_t i = 0;
    while (i < wanted && i < count && got[i].nonce == nonce && same(&expected[i], &got[i]))
        i++;
    const struct lab_evidence *before = i > 0 ? &expected[i - 1] : NULL;
    test->passed = i == wanted && count == wanted && status == 0 && !late;
    test->score = test->passed ? test->points : 0;
    if (test->passed)
        return;
    if (i < count && i < wanted && got[i].nonce == nonce) {
        lab_differences(&expected[i], &got[i], what, sizeof what);
        fail_test(test, before, i, what);
    } else {
        say(what, sizeof what, "    %s",
            count > i ? "the module wrote to the grader's channel itself"
                      : name_ending(status, late, room, sizeof room));
        fail_test(test, before, i, what);
    }
}

static bool run_test(const struct lab_places *places, struct lab_test *test, char why[LAB_SENTENCE])
{
    static uint8_t guest[LAB_GUEST_ROOM];
    struct lab_evidence *expected = calloc(LAB_STEPS, sizeof *expected),
                        *got = calloc(LAB_STEPS, sizeof *got);
    size_t size = 0, wanted = 0, count;
    uint64_t nonce;
    bool late = false;
    int status;
    bool good = expected && got && build_guest(places, test, guest, &size, why) &&
                getrandom(guest + RANDOM_OFFSET, RANDOM_BYTES, 0) == RANDOM_BYTES &&
                getrandom(&nonce, sizeof nonce, 0) == sizeof nonce;
    for (int i = 0; i < RANDOM_BYTES; i++)
        guest[RANDOM_OFFSET + i] |= 1; /* no number is small by chance: scores repeat */
    if (good)
        wanted = run_reference(guest, size, expected, why);
    if (wanted) {
        count = run_module(places, test, guest, size, got, nonce, &status, &late);
        good = !(status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == LAB_NO_MACHINE);
        if (!good)
            say(why, LAB_SENTENCE, "the module's process cannot be set up (seccomp, memory)");
        else
            judge(test, expected, wanted, got, count, nonce, status, late);
    }
    free(expected);
    free(got);
    return good && wanted;
}

bool lab_grade(const struct lab_places *places, struct lab_result *result, char why[LAB_SENTENCE])
{
    if (!build_runner(places, why))
        return false;
    result->built = build_module(places, result);
    for (size_t i = 0; i < result->count; i++) {
        struct lab_test *test = &result->tests[i];
        if (!result->built)
            say(test->output, sizeof test->output, "The file was not accepted: %.900s",
                result->output);
        else if (!run_test(places, test, why))
            return false;
    }
    return true;
}
