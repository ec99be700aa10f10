/* From the boot loader to the first process. The command line: `run=` names the first program
 * (default selftest; shell is another name of sh), `rounds=` how often it is run (default 1), `hz=`
 * the timer's rate (default 2000), `console=` e9 or serial (default e9, with run=shell serial). */
#include "kernel.h"
#include <stdarg.h>

/* Multiboot 1, section 3.3 */
struct multiboot_info {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline;
};

static uint32_t frames_at_start;

void report_lost_frames(void)
{
    print("kernel: %u page frames were lost\n", frames_at_start - frames_free());
}

void shut_down(uint32_t code)
{
    print("kernel: the first process ended with status %u\n", code);
    power_off(code);
    __builtin_unreachable();
}

void panic(const char *format, ...)
{
    char text[128];
    va_list list;
    irq_disable();
    va_start(list, format);
    format_text(text, sizeof text, format, list);
    va_end(list);
    print("kernel panic: %s\n", text);
    power_off(99);
    __builtin_unreachable();
}

/* The value of `key=` in `line`; false if it is not there. */
static bool option(const char *line, const char *key, char *value, uint32_t room)
{
    while (*line) {
        const char *k = key;
        while (*k && *line == *k)
            line++, k++;
        if (!*k && *line == '=') {
            for (line++; *line && *line != ' ' && room > 1; room--)
                *value++ = *line++;
            *value = 0;
            return true;
        }
        while (*line && *line != ' ')
            line++;
        while (*line == ' ')
            line++;
    }
    return false;
}

static uint32_t decimal(const char *text)
{
    uint32_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return value;
}

_Noreturn void kernel_main(uint32_t magic, const struct multiboot_info *info);
void kernel_main(uint32_t magic, const struct multiboot_info *info)
{
    char run[16] = "selftest", text[16];
    char line[128] = "";
    uint32_t hz = 2000, rounds = 1, bytes;
    arch_begin();
    if (magic == 0x2BADB002 && (info->flags & 4))
        copy_string(line, (const char *)info->cmdline, sizeof line);
    option(line, "run", run, sizeof run);
    if (option(line, "hz", text, sizeof text) && decimal(text) >= 19)
        hz = decimal(text);
    if (option(line, "rounds", text, sizeof text))
        rounds = decimal(text);
    bool shell = !strcmp(run, "shell") || !strcmp(run, "sh");
    if (shell)
        copy_string(run, "sh", sizeof run);
    if (option(line, "console", text, sizeof text))
        shell = !strcmp(text, "serial");
    console_init(shell);

    /* Whole pages of the memory above 1 MB, as much as lies below the user's addresses */
    bytes = 0x100000 + (info->flags & 1 ? info->mem_upper : 15 * 1024) * 1024;
    if (bytes > USER_BASE)
        bytes = USER_BASE;
    bytes &= ~(PAGE_SIZE - 1u);
    print("kernel: %u MB of memory\n", (bytes + 0xFFFFF) >> 20);
#ifdef LAB
    probe(PROBE_CONSOLE, line);
    trap_init(hz);
    probe(PROBE_EVENTS, line);
    memory_init(bytes);
    vm_init(bytes);
    probe(PROBE_MEMORY, line);
#else
    trap_init(hz);
    arch_describe();
    memory_init(bytes);
    vm_init(bytes);
#endif
    if (user_image->magic != IMAGE_MAGIC)
        panic("the user image is bad");
    frames_at_start = frames_free();
    proc_start_first(run, rounds);
    __builtin_unreachable();
}
