/* The engine with nothing of ours around it: the floor that `bare` is measured against.
 *
 *   raw IMAGE COMMAND-LINE
 *
 * Loads the ELF segments of a Multiboot 1 kernel into flat physical memory and runs it in the state
 * that the Multiboot Specification 0.6.96, section 3.2, defines, with two port hooks and no other:
 * no exceptions, no interrupts, no time. So only workloads of innocuous instructions run here.
 * Standard output is one line, the nanoseconds spent in the engine; the console goes to standard
 * error. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unicorn/unicorn.h>

enum {
    MEMORY = 64 << 20,
    INFORMATION = 0x1000, /* the Multiboot structure, and behind it the command line */
    CMDLINE = 0x1100,
    MAGIC = 0x2BADB002, /* in EAX */
    HAS_MEMORY = 1,
    HAS_CMDLINE = 4,
};

struct ended {
    bool done;
    uint32_t code;
};

static void on_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *context)
{
    struct ended *ended = context;
    (void)size;
    if (port == 0xE9)
        fputc((int)value, stderr);
    if (port == 0xF4) {
        *ended = (struct ended){true, value};
        uc_emu_stop(uc);
    }
}

static uint32_t on_in(uc_engine *uc, uint32_t port, int size, void *context)
{
    (void)uc;
    (void)port;
    (void)size;
    (void)context;
    return 0xffffffff;
}

static bool load(const char *name, uint8_t *memory, uint32_t *entry)
{
    Elf32_Ehdr header;
    FILE *file = fopen(name, "rb");
    bool good = file && fread(&header, sizeof header, 1, file) == 1 &&
                !memcmp(header.e_ident, ELFMAG, SELFMAG) && header.e_machine == EM_386;
    for (unsigned i = 0; good && i < header.e_phnum; i++) {
        Elf32_Phdr segment;
        good = !fseek(file, (long)(header.e_phoff + i * sizeof segment), SEEK_SET) &&
               fread(&segment, sizeof segment, 1, file) == 1;
        if (!good || segment.p_type != PT_LOAD || !segment.p_filesz)
            continue;
        good = segment.p_filesz < MEMORY && segment.p_paddr < MEMORY - segment.p_filesz &&
               !fseek(file, (long)segment.p_offset, SEEK_SET) &&
               fread(memory + segment.p_paddr, segment.p_filesz, 1, file) == 1;
    }
    if (file)
        fclose(file);
    *entry = good ? header.e_entry : 0;
    return good;
}

static void inform(uint8_t *memory, const char *cmdline)
{
    const uint32_t information[] = {HAS_MEMORY | HAS_CMDLINE, 640, MEMORY / 1024 - 1024, 0,
                                    CMDLINE};
    memcpy(memory + INFORMATION, information, sizeof information);
    snprintf((char *)memory + CMDLINE, 256, "raw %s", cmdline);
}

static bool prepare(uc_engine *uc, uint8_t *memory, struct ended *ended)
{
    uc_hook hook;
    uint32_t magic = MAGIC, information = INFORMATION;
    return !uc_mem_map_ptr(uc, 0, MEMORY, UC_PROT_ALL, memory) &&
           !uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_in, NULL, 1, 0, UC_X86_INS_IN) &&
           !uc_hook_add(uc, &hook, UC_HOOK_INSN, (void *)on_out, ended, 1, 0, UC_X86_INS_OUT) &&
           !uc_reg_write(uc, UC_X86_REG_EAX, &magic) &&
           !uc_reg_write(uc, UC_X86_REG_EBX, &information);
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(int argc, char **argv)
{
    struct ended ended = {0};
    uint32_t entry;
    uc_engine *uc = NULL;
    if (argc != 3) {
        fprintf(stderr, "usage: raw IMAGE COMMAND-LINE\n");
        return 2;
    }
    uint8_t *memory = aligned_alloc(4096, MEMORY);
    if (!memory || !load(argv[1], memset(memory, 0, MEMORY), &entry) ||
        uc_open(UC_ARCH_X86, UC_MODE_32, &uc)) {
        fprintf(stderr, "%s cannot be loaded.\n", argv[1]);
        free(memory);
        return 1;
    }
    inform(memory, argv[2]);
    int status = 1;
    if (prepare(uc, memory, &ended)) {
        long long begin = now();
        uc_err failure = uc_emu_start(uc, entry, 0, 0, 0);
        printf("%lld\n", now() - begin);
        status = failure || !ended.done || ended.code;
        if (failure)
            fprintf(stderr, "The engine stopped: %s.\n", uc_strerror(failure));
    }
    uc_close(uc);
    free(memory);
    return status;
}
