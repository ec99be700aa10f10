/* What an image may be that no loader takes. It is said in the sentence that refuses it: most are a
 * kernel that lacks one step, such as unpacking or a section that the linker has put too far back.
 *
 * Magic numbers are those of file(1)'s database; the Multiboot 2 header is that of the Multiboot2
 * Specification 2.0, section 3.1. */
#include <string.h>

#include "error.h"
#include "loader_plan.h"

enum { ELF_CLASS = 4, ELF_DATA = 5, ELF_MACHINE = 18, ELF_IDENTITY = 16 };

/* A Multiboot header and where its kind may lie. */
struct header {
    uint32_t magic, search, align;
    unsigned fields; /* words that add up to zero */
};
static const struct header version_1 = {0x1badb002, 8192, 4, 3},
                           version_2 = {0xe85250d6, 32768, 8, 4};

/* Where in the image the header lies, sound or with a wrong sum; -1: nowhere. */
static int64_t find(const struct loader_file *image, const struct header *kind, bool sound)
{
    for (uint64_t at = 0; at + 4 * (uint64_t)kind->fields <= image->size; at += kind->align) {
        uint32_t sum = 0;
        if (get32(image->bytes + at) != kind->magic)
            continue;
        for (unsigned i = 0; i < kind->fields; i++)
            sum += get32(image->bytes + at + 4 * i);
        if (!sum == sound)
            return (int64_t)at;
    }
    return -1;
}

static int say(const struct loader_file *image, struct vmm_error *error, const char *what)
{
    return error_set(error, VMM_E_IMAGE, "%.80s: %s", plan_name(image), what);
}

static bool begins(const struct loader_file *image, const char *magic, size_t length)
{
    return image->size >= length && memcmp(image->bytes, magic, length) == 0;
}

/* A header that is there, and not as or where it has to be. VMM_OK: there is none. */
static int near_multiboot(const struct loader_file *image, struct vmm_error *error)
{
    int64_t at = find(image, &version_1, true);
    if (at >= 0)
        return error_set(error, VMM_E_IMAGE,
                         "%.80s: its Multiboot header is at byte %llu, and has to be in the first "
                         "8192; have the linker script place its section first",
                         plan_name(image), (unsigned long long)at);
    if (find(image, &version_2, true) >= 0)
        return say(image, error,
                   "it is a Multiboot 2 kernel; give it a Multiboot 1 header, too, which this "
                   "loader reads");
    at = find(image, &version_1, false);
    if (at >= 0 && at < version_1.search)
        return error_set(error, VMM_E_IMAGE,
                         "%.80s: its Multiboot header at byte %llu has a wrong checksum; magic, "
                         "flags and checksum have to add up to 0",
                         plan_name(image), (unsigned long long)at);
    return VMM_OK;
}

static int unknown_elf(const struct loader_file *image, struct vmm_error *error)
{
    const uint8_t *bytes = image->bytes;
    enum { I386 = 3, X86_64 = 62 };
    if (image->size < ELF_MACHINE + 2)
        return say(image, error, "it is a truncated ELF file; build or copy it again");
    unsigned machine = get16(bytes + ELF_MACHINE);
    if (bytes[ELF_DATA] != 1 || (machine != I386 && machine != X86_64))
        return say(image, error,
                   "it is an ELF file for another processor; build it for 32-bit x86 (-m32)");
    if (bytes[ELF_CLASS] == 2)
        return say(image, error,
                   "it is a 64-bit ELF file without a Multiboot header; build a 32-bit kernel "
                   "(-m32) with one");
    return say(image, error,
               "it is an ELF file without a Multiboot header in its first 8192 bytes; add one");
}

int unknown_image(const struct loader_file *image, struct vmm_error *error)
{
    static const struct {
        const char *magic;
        uint8_t length;
        const char *what;
    } kinds[] = {
        {"\x1f\x8b", 2, "it is compressed; unpack it first, with gunzip"},
        {"\xfd"
         "7zXZ",
         5, "it is compressed; unpack it first, with unxz"},
        {"\x28\xb5\x2f\xfd", 4, "it is compressed; unpack it first, with unzstd"},
        {"BZh", 3, "it is compressed; unpack it first, with bunzip2"},
        {"\x02\x21\x4c\x18", 4, "it is compressed; unpack it first, with lz4 -d"},
        {"\x89LZO", 4, "it is compressed; unpack it first, with lzop -d"},
        {"PK\x03\x04", 4, "it is an archive; unpack the kernel first, with unzip"},
        {"!<arch>\n", 8, "it is an archive; link it, or unpack the kernel first"},
        {"070701", 6, "it is an initrd; give it with --initrd, and the kernel as the image"},
        {"QFI\xfb", 4, "it is a qcow2 disk; make it a raw one with qemu-img convert -O raw"},
        {"MZ", 2,
         "it is a program for EFI or DOS; give a Multiboot kernel, a bzImage or a boot "
         "sector"},
        {"#!", 2, "it is a script; give a kernel image"},
    };
    int status = near_multiboot(image, error);
    if (status != VMM_OK)
        return status;
    if (begins(image, "\177ELF", 4))
        return unknown_elf(image, error);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (begins(image, kinds[i].magic, kinds[i].length))
            return say(image, error, kinds[i].what);
    return say(image, error,
               "it is neither a Multiboot kernel nor a Linux bzImage nor a boot sector; "
               "--load flat@ADDR loads it as it is");
}
