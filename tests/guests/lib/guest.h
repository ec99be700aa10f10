/* What every small guest needs of the machine: ports, the console at port 0xE9, the exit port 0xF4,
 * and the Multiboot information. No libc, no libgcc: 64-bit division is not available. */
#ifndef GUEST_H
#define GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Multiboot 1, section 3.3; only the members that the guests use are named. */
struct multiboot_info {
    uint32_t flags;
    uint32_t mem_lower, mem_upper; /* KB, valid if flags bit 0 */
    uint32_t boot_device;
    uint32_t cmdline; /* address, valid if flags bit 2 */
    uint32_t mods_count, mods_addr;
};

struct multiboot_module {
    uint32_t start, end, string, reserved;
};

#define MULTIBOOT_MAGIC 0x2BADB002u

static inline void outb(uint16_t port, uint8_t value)
{
    asm volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outw(uint16_t port, uint16_t value)
{
    asm volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outl(uint16_t port, uint32_t value)
{
    asm volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline uint8_t inb(uint16_t port)
{
    uint8_t value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint16_t inw(uint16_t port)
{
    uint16_t value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline uint32_t inl(uint16_t port)
{
    uint32_t value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/* Ends the run: stop `exit` with `code`. */
_Noreturn void guest_exit(uint32_t code);

void put_char(char c);
void put_string(const char *text);

/* printf's %s %c %d %u %x %%, with a width, `0` and `-`. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The value of `key=` in the Multiboot command line copied to `value`; false if it is not there. */
bool command_line_option(const struct multiboot_info *info, const char *key, char *value,
                         size_t size);

/* The same, read as a decimal number; `otherwise` if it is absent. */
uint32_t command_line_number(const struct multiboot_info *info, const char *key,
                             uint32_t otherwise);

bool string_equal(const char *a, const char *b);

/* gcc may call these for structures. */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);

#endif
