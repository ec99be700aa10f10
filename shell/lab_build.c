/* Building what was handed in. The compiler reads a student's file, so it is confined, too, and
 * works in a folder of its own on copies: an #include or .incbin finds what nobody may read, and
 * nothing of the grader. */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "shell/lab.h"

#include "shell/lab_process.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *tool(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);
    return value && value[0] ? value : otherwise;
}

bool lab_copy_file(const char *from_folder, const char *to_folder, const char *name)
{
    char from[LAB_PATH], to[LAB_PATH], bytes[16384];
    if (!lab_join(from, from_folder, name) || !lab_join(to, to_folder, name))
        return false;
    FILE *in = fopen(from, "re"), *out = in ? fopen(to, "we") : NULL;
    bool good = out;
    for (size_t count; good && (count = fread(bytes, 1, sizeof bytes, in)) > 0;)
        good = fwrite(bytes, 1, count, out) == count;
    if (in)
        good = !ferror(in) && fclose(in) == 0 && good;
    if (out)
        good = fclose(out) == 0 && chmod(to, 0644) == 0 && good;
    return good;
}

static bool copy_headers(const struct lab *lab, const char *folder)
{
    char vmm[LAB_PATH], to[LAB_PATH], output[256];
    if (!lab_join(vmm, lab->places.include, "vmm") || !lab_join(to, folder, "vmm"))
        return false;
    return lab_run(LAB_WORDS("cp", "-rL", "--", vmm, to), output, sizeof output, 60) == 0 &&
           lab_run(LAB_WORDS("chmod", "-R", "a+rX", to), output, sizeof output, 60) == 0 &&
           lab_copy_file(lab->places.labs, folder, lab->header);
}

bool lab_collect(const struct lab *lab, const char *submission, const char *folder, char *output,
                 size_t room)
{
    for (size_t i = 0; i < lab->file_count; i++)
        if (!lab_copy_file(submission, folder, lab->files[i])) {
            snprintf(output, room, "'%s' cannot be read.", lab->files[i]);
            return false;
        }
    return true;
}

bool lab_compile(const struct lab *lab, const char *submission, const char *folder, char *output,
                 size_t room)
{
    output[0] = '\0';
    if (!copy_headers(lab, folder)) {
        snprintf(output, room, "The headers cannot be copied into a temporary folder: %s.",
                 strerror(errno));
        return false;
    }
    if (!lab_collect(lab, submission, folder, output, room))
        return false;
    if (lab_run_confined(LAB_WORDS((char *)tool("CC", "cc"), "-shared", "-fPIC", "-std=gnu17",
                                   "-O1", "-g", "-Wall", "-Wextra", "-I.", "-o", "module.so",
                                   (char *)lab->files[0]),
                         folder, output, room, 120) == 0)
        return true;
    if (!output[0])
        snprintf(output, room, "The compiler cannot be run.");
    return false;
}

/* The files of the kernel that a student's is compiled and linked with. */
static bool copy_kernel(const struct lab *lab, const char *folder)
{
    char give[LAB_PATH], sources[LAB_PATH];
    return lab_join(give, lab->places.built, "give") && lab_join(sources, give, "kernel") &&
           lab_copy_file(give, folder, "kernel.o") && lab_copy_file(sources, folder, "layout.h") &&
           lab_copy_file(sources, folder, "kernel.ld");
}

bool lab_compile_kernel(const struct lab *lab, const char *submission, const char *folder,
                        char *output, size_t room)
{
    output[0] = '\0';
    if (!copy_headers(lab, folder) || !copy_kernel(lab, folder)) {
        snprintf(output, room, "The kernel cannot be copied into a temporary folder: %s.",
                 strerror(errno));
        return false;
    }
    if (!lab_collect(lab, submission, folder, output, room))
        return false;
    if (lab_run_confined(
            LAB_WORDS((char *)tool("GUEST_CC", "cc"), "-m32", "-march=i686", "-mgeneral-regs-only",
                      "-std=gnu17", "-O2", "-g", "-ffreestanding", "-fno-pic", "-fno-pie",
                      "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
                      "-fcf-protection=none", "-fno-builtin", "-fno-omit-frame-pointer",
                      "-mpreferred-stack-boundary=2", "-fno-tree-loop-distribute-patterns", "-Wall",
                      "-Wextra", "-I.", "-nostdlib", "-static", "-no-pie", "-Wl,-m,elf_i386",
                      "-Wl,-z,noexecstack", "-Wl,-z,max-page-size=4096", "-Wl,--build-id=none",
                      "-Wl,-T,kernel.ld", "-o", "kernel.elf", (char *)lab->files[0], "kernel.o"),
            folder, output, room, 120) == 0)
        return true;
    if (!output[0])
        snprintf(output, room, "The compiler cannot be run.");
    return false;
}

bool lab_assemble(const struct lab *lab, const char *source, const char *out,
                  char why[LAB_SENTENCE])
{
    char include[LAB_PATH + 10], kernels[LAB_PATH + 2];
    snprintf(kernels, sizeof kernels, "-I%s", lab->places.guests);
    snprintf(include, sizeof include, "-I%s/tests", lab->places.lab);
    return lab_run(LAB_WORDS((char *)tool("GUEST_CC", "cc"), "-m32", "-nostdlib", "-static",
                             "-no-pie", "-Wl,-Ttext=0x100000", "-Wl,-e,0x100000",
                             "-Wl,--oformat=binary", "-Wl,--build-id=none", "-Wl,-z,noexecstack",
                             include, kernels, "-o", (char *)out, (char *)source),
                   why, LAB_SENTENCE, 60) == 0;
}

bool lab_assemble_confined(const struct lab *lab, const char *folder, const char *source,
                           const char *out, char why[LAB_SENTENCE])
{
    char starter[LAB_PATH];
    return lab_join(starter, lab->places.lab, "starter") &&
           lab_copy_file(starter, folder, "guest.inc") &&
           lab_run_confined(LAB_WORDS((char *)tool("GUEST_CC", "cc"), "-m32", "-nostdlib",
                                      "-static", "-no-pie", "-Wl,-Ttext=0x100000",
                                      "-Wl,-e,0x100000", "-Wl,--oformat=binary",
                                      "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-o",
                                      (char *)out, (char *)source),
                            folder, why, LAB_SENTENCE, 60) == 0;
}

/* Whether `name` begins with one of the words of `allowed`. */
static bool is_allowed(const char *name, const char *allowed)
{
    while (allowed && *allowed) {
        size_t length = strcspn(allowed, " ");
        if (strncmp(name, allowed, length) == 0)
            return true;
        allowed += length + strspn(allowed + length, " ");
    }
    return false;
}

/* The library must not do the student's work. */
bool lab_accept(struct lab_job *job, const char *allowed)
{
    struct lab_result *result = job->result;
    char path[LAB_PATH], names[16384];
    if (!lab_join(path, job->work, "module.so") ||
        lab_run(LAB_WORDS("nm", "-D", "-u", path), names, sizeof names, 20) != 0) {
        snprintf(result->output, sizeof result->output, "nm cannot be run; install binutils.");
        return false;
    }
    for (char *line = strtok(names, "\n"); line; line = strtok(NULL, "\n")) {
        char *name = strrchr(line, ' ') ? strrchr(line, ' ') + 1 : line;
        bool may = is_allowed(name, allowed);
        name[strcspn(name, "@")] = '\0'; /* a symbol's version */
        if ((strncmp(name, "vmm_", 4) == 0 && !may) || strncmp(name, "dlopen", 6) == 0 ||
            strncmp(name, "dlsym", 5) == 0 || strncmp(name, "dlvsym", 6) == 0 ||
            strncmp(name, "dlmopen", 7) == 0) {
            snprintf(result->output, sizeof result->output,
                     "The file calls %s. Of the library a file of this lab may call %s%s.", name,
                     allowed ? "only what begins with " : "nothing", allowed ? allowed : "");
            return false;
        }
        /* What is in no library of this program's is in none of the runner's. */
        if (strstr(line, " U ") && !dlsym(RTLD_DEFAULT, name)) {
            snprintf(result->output, sizeof result->output,
                     "The file calls %s, which is neither in it nor in the C library.", name);
            return false;
        }
    }
    return true;
}
