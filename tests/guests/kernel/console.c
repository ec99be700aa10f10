/* The console. Output: port 0xE9 or the serial port, as the command line chooses, and always the
 * VGA text buffer, which is plain memory. Input: the keyboard (IRQ 1, scan code set 1) and the
 * serial port (IRQ 4) feed one line buffer with echo and backspace; a reader gets whole lines. */
#include "kernel.h"
#include <stdarg.h>

enum { COLUMNS = 80, ROWS = 25, COM1 = 0x3F8, INPUT = 256 };

static bool serial_output;
static uint32_t column, row;
static char line[INPUT], ready[INPUT];
static volatile uint32_t line_length, ready_length;

#ifdef PARAVIRTUAL

static void port_init(void)
{
}

#else

static void port_init(void)
{
    outb(COM1 + 1, 0x00);
    outb(COM1 + 3, 0x80);
    outb(COM1 + 0, 1); /* 115200 baud */
    outb(COM1 + 1, 0);
    outb(COM1 + 3, 0x03);
    outb(COM1 + 2, 0x07);
    outb(COM1 + 4, 0x0B); /* OUT2 lets the interrupt through */
    outb(COM1 + 1, 0x01); /* on received data */
}

static void put_chars(const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!serial_output) {
            outb(0xE9, (uint8_t)bytes[i]);
            continue;
        }
        while (!(inb(COM1 + 5) & 0x20))
            ;
        outb(COM1, (uint8_t)bytes[i]);
    }
}

static bool received(char *c)
{
    if (!(inb(COM1 + 5) & 1))
        return false;
    *c = (char)inb(COM1);
    return true;
}

#endif

void console_init(bool serial)
{
    serial_output = serial;
    volatile uint16_t *screen = (uint16_t *)0xB8000;
    asm("" : "+r"(screen));
    for (unsigned i = 0; i < COLUMNS * ROWS; i++)
        screen[i] = 0x0720;
    port_init();
}

static void screen_char(char c)
{
    uint16_t *screen = (uint16_t *)0xB8000;
    asm("" : "+r"(screen));
    if (c == '\b') {
        column -= column > 0;
    } else if (c != '\n') {
        screen[row * COLUMNS + column++] = (uint16_t)(0x0700 | (uint8_t)c);
    }
    if (c == '\n' || column == COLUMNS) {
        column = 0;
        row++;
    }
    if (row == ROWS) {
        row--;
        memcpy(screen, screen + COLUMNS, (ROWS - 1) * COLUMNS * 2);
        for (unsigned i = 0; i < COLUMNS; i++)
            screen[(ROWS - 1) * COLUMNS + i] = 0x0720;
    }
}

void console_write(const char *bytes, size_t count)
{
    uint32_t flags = irq_save();
    for (size_t i = 0; i < count; i++)
        screen_char(bytes[i]);
    put_chars(bytes, count);
    irq_restore(flags);
}

void print(const char *format, ...)
{
    char text[160];
    va_list list;
    va_start(list, format);
    console_write(text, format_text(text, sizeof text, format, list));
    va_end(list);
}

/* Interrupts are off: this is called by their handlers. */
static void input(char c)
{
    if (c == '\r')
        c = '\n';
    if (c == '\b' || c == 0x7F) {
        if (line_length) {
            line_length--;
            console_write("\b \b", 3);
        }
        return;
    }
    if (line_length == INPUT - 1 && c != '\n')
        return;
    line[line_length++] = c;
    console_write(&c, 1);
    if (c != '\n')
        return;
    if (ready_length + line_length <= INPUT) {
        memcpy(ready + ready_length, line, line_length);
        ready_length += line_length;
        wake_up(ready);
    }
    line_length = 0;
}

void serial_interrupt(void)
{
    char c;
    while (received(&c))
        input(c);
}

#ifdef PARAVIRTUAL

/* There is none. */
void keyboard_interrupt(void)
{
}

#else

void keyboard_interrupt(void)
{
    static const char plain[] = "\0\033"
                                "1234567890-=\b\tqwertyuiop[]\n\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
    static const char shifted[] =
        "\0\033"
        "!@#$%^&*()_+\b\tQWERTYUIOP{}\n\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
    static bool shift;
    uint8_t code = inb(0x60);
    if ((code & 0x7F) == 0x2A || (code & 0x7F) == 0x36)
        shift = !(code & 0x80);
    else if (code < sizeof plain - 1 && plain[code] && plain[code] != 033)
        input(shift ? shifted[code] : plain[code]);
}

#endif

int32_t console_read(char *user, uint32_t count)
{
    char text[INPUT];
    uint32_t flags = irq_save(), length = 0;
    while (!ready_length)
        sleep_on(ready);
    while (length < ready_length && length < count) {
        text[length] = ready[length];
        if (text[length++] == '\n')
            break;
    }
    memmove(ready, ready + length, ready_length - length);
    ready_length -= length;
    irq_restore(flags);
    return copy_user(user, text, length) ? -1 : (int32_t)length;
}
