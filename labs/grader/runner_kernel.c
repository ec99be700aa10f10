/* Boots a kernel that was linked with a student's glue, and sends what was seen of it to the
 * scorer. What the student wrote is a guest here: the VMM contains it, and if that failed, the
 * sandbox would.
 *
 *     runner TECHNIQUE NONCE CPU-SECONDS    a struct kernel_work and the image come in by standard
 *                                           input */
#include "labs/grader/evidence.h"
#include "labs/grader/kernel.h"
#include "labs/grader/sandbox.h"

#include <stdlib.h>
#include <unistd.h>

static bool send(const void *bytes, size_t count)
{
    for (const uint8_t *at = bytes; count > 0;) {
        ssize_t done = write(LAB_CHANNEL, at, count);
        if (done <= 0)
            return false;
        at += done;
        count -= (size_t)done;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct kernel_work work;
    static struct kernel_evidence evidence;
    static uint8_t image[KERNEL_FILE];
    struct kernel_run run = {.work = &work, .evidence = &evidence};
    struct vmm_error error;
    if (argc != 4 || fread(&work, sizeof work, 1, stdin) != 1 || work.size > sizeof image ||
        fread(image, 1, work.size, stdin) != work.size)
        return LAB_NO_MACHINE;
    const struct lab_hello hello = {strtoull(argv[2], NULL, 16)};
    if (!kernel_create(&run, argv[1], &error) ||
        !sandbox_enter((unsigned)strtoul(argv[3], NULL, 10)) || !send(&hello, sizeof hello))
        return LAB_NO_MACHINE;
    evidence.nonce = hello.nonce;
    if (!kernel_boot(&run, image, &error))
        snprintf(evidence.sentence, sizeof evidence.sentence, "%.199s", error.text);
    return send(&evidence, sizeof evidence) ? 0 : LAB_NO_CHANNEL;
}
