/* Which loader an image gets, and reading the file it is in. The order of detection matters: a
 * Linux kernel also has the mark of a boot sector, so the more particular signs are looked for
 * first; and what has several, and can be loaded by one of them only, is that. */
#include "loader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "loader_plan.h"
#include "machine/board.h"

enum loader_kind loader_detect(const struct loader_file *image)
{
    bool multiboot = multiboot_header(image) >= 0;
    if (multiboot && multiboot_loadable(image))
        return LOADER_MULTIBOOT;
    if (linux_image(image))
        return LOADER_LINUX;
    bool elf = image->size >= 4 && memcmp(image->bytes, "\177ELF", 4) == 0;
    if (!elf && boot_sector(image))
        return LOADER_BOOT;
    return multiboot ? LOADER_MULTIBOOT : LOADER_AUTO;
}

/* What makes no sense whatever the image is. */
static int check_request(const struct loader_request *request, const struct loader_memory *memory,
                         enum loader_kind kind, struct vmm_error *error)
{
    const char *name = plan_name(&request->image);
    if (memory->size < HIGH_MEMORY)
        return error_set(error, VMM_E_MEMORY, "the machine has %u KB of memory; give it 1M or more",
                         memory->size / 1024);
    if (request->initrd && kind != LOADER_LINUX)
        return error_set(error, VMM_E_USAGE,
                         "%.80s: only a Linux kernel takes an initrd; leave --initrd out", name);
    if (request->module_count && kind != LOADER_MULTIBOOT)
        return error_set(error, VMM_E_USAGE,
                         "%.80s: only a Multiboot kernel takes modules; leave --module out", name);
    if (request->module_count > LOADER_MODULES)
        return error_set(error, VMM_E_USAGE, "%zu modules are too many; give at most %u",
                         request->module_count, LOADER_MODULES);
    bool takes_cmdline = kind == LOADER_LINUX || kind == LOADER_MULTIBOOT;
    if (request->cmdline && *request->cmdline && !takes_cmdline)
        return error_set(error, VMM_E_USAGE,
                         "%.80s: only Linux and Multiboot kernels take a command line; leave "
                         "--append out",
                         name);
    return VMM_OK;
}

int loader_load(const struct loader_request *request, const struct loader_memory *memory,
                struct loader_result *result, struct vmm_error *error)
{
    static int (*const planners[])(struct loader_plan *, struct loader_result *) = {
        [LOADER_MULTIBOOT] = plan_multiboot,
        [LOADER_LINUX] = plan_linux,
        [LOADER_FLAT] = plan_flat,
        [LOADER_BOOT] = plan_boot,
    };
    const struct loader_file *image = &request->image;
    memset(result, 0, sizeof *result);
    if (image->size == 0)
        return error_set(error, VMM_E_IMAGE, "%.80s: it is empty; give a kernel image",
                         plan_name(image));
    enum loader_kind kind = request->kind;
    if (kind == LOADER_AUTO)
        kind = loader_detect(image);
    if (kind == LOADER_AUTO)
        return unknown_image(image, error);
    int status = check_request(request, memory, kind, error);
    if (status != VMM_OK)
        return status;
    struct loader_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return error_set(error, VMM_E_MEMORY, "the host has no memory left to load %.80s",
                         plan_name(image));
    plan->request = request;
    plan->memory = memory;
    plan->error = error;
    status = planners[kind](plan, result);
    if (status == VMM_OK)
        status = plan_commit(plan);
    free(plan);
    result->kind = kind;
    if (status == VMM_OK)
        error_clear(error);
    return status;
}

void loader_prepare_board(const struct loader_result *result, struct board *board)
{
    if (result->kind != LOADER_BOOT)
        return;
    board_firmware_setup(board);
    disk_insert(&board->disk, result->disk.bytes, result->disk.size);
}

/* Reads until the end, or until `limit` is exceeded: sizes of special files mean nothing. */
static int read_all(int fd, uint32_t limit, struct loader_file *file, struct vmm_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0, room = 0;
    for (;;) {
        if (size == room) {
            room = room ? room * 2 : 65536;
            uint8_t *more = realloc(bytes, room);
            if (!more) {
                free(bytes);
                return error_set(error, VMM_E_MEMORY, "%.160s: the host has no memory to read it",
                                 file->name);
            }
            bytes = more;
        }
        ssize_t count = read(fd, bytes + size, room - size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            int reason = errno;
            free(bytes);
            return error_set(error, VMM_E_IO, "%.160s: cannot be read: %s", file->name,
                             strerror(reason));
        }
        size += (size_t)count;
        if (size > limit) {
            free(bytes);
            return error_set(error, VMM_E_IO,
                             "%.160s: it is larger than %u MB; give a file that fits the machine",
                             file->name, limit >> 20);
        }
        if (count == 0)
            break;
    }
    file->bytes = bytes;
    file->size = (uint32_t)size;
    return VMM_OK;
}

int loader_read_file(const char *path, uint32_t limit, struct loader_file *file,
                     struct vmm_error *error)
{
    *file = (struct loader_file){.name = path};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, VMM_E_IO, "%.160s: cannot be opened: %s", path, strerror(errno));
    struct stat status;
    int result;
    if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode))
        result = error_set(error, VMM_E_IO, "%.160s: it is a directory; give a file", path);
    else if (S_ISREG(status.st_mode) && status.st_size > (off_t)limit)
        result = error_set(error, VMM_E_IO,
                           "%.160s: it is larger than %u MB; give a file that fits the machine",
                           path, limit >> 20);
    else
        result = read_all(fd, limit, file, error);
    close(fd);
    return result;
}

void loader_free_file(struct loader_file *file)
{
    free((void *)file->bytes);
    *file = (struct loader_file){0};
}

int loader_parse_kind(const char *text, enum loader_kind *kind, uint32_t *flat_address,
                      struct vmm_error *error)
{
    static const struct {
        const char *name;
        enum loader_kind kind;
    } names[] = {{"auto", LOADER_AUTO},
                 {"multiboot", LOADER_MULTIBOOT},
                 {"linux", LOADER_LINUX},
                 {"boot", LOADER_BOOT}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i].name) == 0) {
            *kind = names[i].kind;
            return VMM_OK;
        }
    }
    if (strncmp(text, "flat@", 5) == 0 && text[5] >= '0' && text[5] <= '9') {
        char *end;
        errno = 0;
        unsigned long long address = strtoull(text + 5, &end, 0);
        if (!errno && !*end && address <= UINT32_MAX) {
            *kind = LOADER_FLAT;
            *flat_address = (uint32_t)address;
            return VMM_OK;
        }
    }
    return error_set(
        error, VMM_E_USAGE,
        "--load %.60s: give auto, multiboot, linux, boot, or flat@ADDR with an address "
        "such as 0x100000",
        text);
}
