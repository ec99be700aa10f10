/* Starting the runner of a lab: a program of ours that confines itself, says hello, and only then
 * loads what a student wrote. What goes wrong before the hello is this machine's fault, and what
 * goes wrong behind it the student's. */
#include "shell/lab.h"

#include "labs/grader/evidence.h"
#include "shell/lab_process.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Puts the module and the input where the process finds them, and nothing else beside them. */
static bool furnish(struct lab_job *job, const void *input, size_t size, char jail[LAB_PATH],
                    char path[LAB_PATH])
{
    char module[LAB_PATH], inside[LAB_PATH];
    if (!lab_join(jail, job->work, "jail") || !lab_join(path, job->work, "input") ||
        !lab_join(module, job->work, "module.so") || !lab_join(inside, jail, "module.so"))
        return false;
    mkdir(jail, 0755);
    /* A kind whose student's part is a guest has it in the input. */
    if (access(module, F_OK) == 0 && access(inside, F_OK) != 0 && link(module, inside) != 0)
        return false;
    FILE *file = fopen(path, "we");
    bool good = file && fwrite(input, 1, size, file) == size;
    return file && fclose(file) == 0 && good;
}

bool lab_run_runner(struct lab_job *job, const char *argument, const void *input, size_t size,
                    uint64_t nonce, unsigned seconds, void *evidence, size_t room,
                    struct lab_child *child)
{
    const size_t header = sizeof(struct lab_hello);
    char runner[LAB_PATH], jail[LAB_PATH], path[LAB_PATH], nonce_text[32], seconds_text[32];
    uint8_t *bytes = malloc(header + room);
    struct lab_hello hello = {0};
    snprintf(nonce_text, sizeof nonce_text, "%llx", (unsigned long long)nonce);
    snprintf(seconds_text, sizeof seconds_text, "%u", seconds);
    *child = (struct lab_child){.arguments =
                                    LAB_WORDS(runner, (char *)argument, nonce_text, seconds_text),
                                .folder = jail,
                                .input = path,
                                .evidence = bytes,
                                .room = header + room};
    bool good = bytes && lab_join(runner, job->lab->places.built, "runner") &&
                furnish(job, input, size, jail, path);
    if (good)
        lab_run_child(child);
    if (good && child->count >= header)
        memcpy(&hello, bytes, header);
    good = good && hello.nonce == nonce;
    if (good) {
        child->count -= header;
        memcpy(evidence, bytes + header, child->count);
    } else {
        snprintf(job->why, sizeof job->why,
                 "the module's process cannot be set up (%.1000s, seccomp, memory)", runner);
    }
    free(bytes);
    return good;
}
