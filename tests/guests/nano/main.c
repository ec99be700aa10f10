/* The command line: `w=NAME` picks the operation, `n=COUNT` how often it is done. Exit code 0, 1
 * for a name that is not known. The operation's rounds lie between nano_begin and nano_end, where a
 * debugger can stop. */
#include "nano.h"

void nano_begin(void);
void nano_end(void);
int main(uint32_t magic, const struct multiboot_info *info);

__attribute__((noinline)) void nano_begin(void)
{
    asm volatile("" ::: "memory");
}

__attribute__((noinline)) void nano_end(void)
{
    asm volatile("" ::: "memory");
}

int main(uint32_t magic, const struct multiboot_info *info)
{
    static const struct operation *const groups[] = {event_operations, memory_operations};
    char name[16] = "";
    (void)magic;
    command_line_option(info, "w", name, sizeof name);
    uint32_t n = command_line_number(info, "n", 1000);
    for (unsigned g = 0; g < 2; g++) {
        for (const struct operation *operation = groups[g]; operation->name; operation++) {
            if (string_equal(name, "list"))
                print("%-10s %s\n", operation->name, operation->what);
            if (!string_equal(name, operation->name) || !n)
                continue;
            cpu_init();
            nano_begin();
            uint32_t sum = operation->run(n);
            nano_end();
            print("%s n=%u checksum=%08x\n", name, n, sum);
            return 0;
        }
    }
    return string_equal(name, "list") ? 0 : 1;
}
