/* What is built in: a few files to read, and the table of programs in the user image. */
#include "kernel.h"

static const struct file files[] = {
    {"motd", "Welcome. This kernel is small, but it is a kernel.\n"},
    {"popek", "For any conventional third generation computer, a virtual machine monitor may be\n"
              "constructed if the set of sensitive instructions for that computer is a subset of\n"
              "the set of privileged instructions.\n"},
    {"empty", ""},
#ifdef LAB
    {"cmdline", command_line},
#endif
};

const struct file *file_at(uint32_t index)
{
    return index < sizeof files / sizeof files[0] ? &files[index] : NULL;
}

const struct file *file_find(const char *name)
{
    for (uint32_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!strcmp(files[i].name, name))
            return &files[i];
    }
    return NULL;
}

/* Addresses in the image are user addresses; its bytes lie in the kernel at another place. */
static const void *in_kernel(uint32_t user_address)
{
    return (const char *)user_image + (user_address - USER_BASE);
}

const char *program_at(uint32_t index)
{
    const struct {
        uint32_t name, main;
    } *program = in_kernel(user_image->programs);
    return program[index].name ? in_kernel(program[index].name) : NULL;
}
