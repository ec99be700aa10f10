/* The devices' states as lines of text, in the words of their data sheets. Only fields are read:
 * looking at a status register through its port would change it. */
#include <string.h>

#include "text.h"
#include "vm.h"
#include "vmm/debug.h"

static void describe_pic(const struct vmm_vm *vm, struct text *text)
{
    const struct pic *pic = &vm->board.pic;
    for (unsigned i = 0; i < 2; i++) {
        const struct pic_chip *chip = &pic->chip[i];
        text_add(text, "%-7s %s  vectors 0x%02x-0x%02x  IRR %02x  ISR %02x  IMR %02x%s%s\n",
                 i ? "slave" : "master", chip->ready ? "ready " : "uninitialized", chip->base,
                 chip->base + 7, pic_irr(pic, i), chip->isr, chip->imr,
                 chip->icw4 & 2 ? "  automatic EOI" : "",
                 chip->special_mask ? "  special mask" : "");
    }
    text_add(text, "output  %s\n", vm->board.intr ? "INTR raised" : "quiet");
}

static void describe_pit(const struct vmm_vm *vm, struct text *text)
{
    static const char *const modes[] = {"interrupt on terminal count",
                                        "one-shot",
                                        "rate generator",
                                        "square wave",
                                        "software strobe",
                                        "hardware strobe",
                                        "rate generator",
                                        "square wave"};
    const struct pit *pit = &vm->board.pit;
    for (unsigned i = 0; i < 3; i++) {
        const struct pit_counter *counter = &pit->counter[i];
        unsigned mode = counter->control >> 1 & 7;
        text_add(text, "counter %u  mode %u (%s)  count %u  gate %s", i, mode > 5 ? mode - 4 : mode,
                 modes[mode], counter->reload, counter->gate ? "high" : "low");
        if (counter->loaded && counter->reload)
            text_add(text, "  %.1f Hz", (double)PIT_HZ / counter->reload);
        text_add(text, "%s\n", counter->loaded ? "" : "  not loaded");
    }
}

static void describe_uart(const struct vmm_vm *vm, struct text *text)
{
    const struct uart *uart = &vm->board.uart;
    unsigned divisor = uart->divisor ? uart->divisor : 1;
    text_add(text, "line      %u baud, %u data bits, %u stop bit%s, LCR %02x\n", 115200 / divisor,
             5 + (uart->lcr & 3u), uart->lcr & 4 ? 2 : 1, uart->lcr & 4 ? "s" : "", uart->lcr);
    text_add(text, "received  %u of %u character%s waiting%s\n", uart->count,
             uart->fcr & 1 ? UART_FIFO : 1, uart->fcr & 1 ? "s" : "",
             uart->fcr & 1 ? "" : " (no FIFO)");
    text_add(text, "registers IER %02x  LSR %02x  MCR %02x  MSR %02x\n", uart->ier, uart->lsr,
             uart->mcr, uart->msr);
}

static void describe_rtc(const struct vmm_vm *vm, struct text *text)
{
    const struct rtc *rtc = &vm->board.rtc;
    text_add(text, "time      registers 00-09:");
    for (unsigned i = 0; i < 10; i++)
        text_add(text, " %02x", rtc->cmos[i]);
    text_add(text, "\nregisters index %02x  A %02x  B %02x  C %02x%s\n", rtc->index, rtc->cmos[10],
             rtc->cmos[11], rtc->flags, rtc->nmi_masked ? "  NMI masked" : "");
}

static void describe_kbc(const struct vmm_vm *vm, struct text *text)
{
    const struct kbc *kbc = &vm->board.kbc;
    text_add(text, "keyboard  %s, scan-code set %u, %u byte%s queued, LEDs %02x\n",
             kbc->scanning ? "scanning" : "disabled", kbc->scan_set, kbc->count,
             kbc->count == 1 ? "" : "s", kbc->leds);
    text_add(text, "A20       %s\n", kbc->a20 ? "open" : "closed");
}

static void describe_debug(const struct vmm_vm *vm, struct text *text)
{
    text_add(text, "port 80   last code %02x\n", vm->board.debug.post);
    text_add(text, "accesses  %llu in, %llu out, since power-on\n",
             (unsigned long long)vm->board.accesses_in, (unsigned long long)vm->board.accesses_out);
}

static const struct {
    const char *name;
    void (*describe)(const struct vmm_vm *vm, struct text *text);
} devices[] = {
    {"pic", describe_pic}, {"pit", describe_pit}, {"uart", describe_uart},
    {"rtc", describe_rtc}, {"kbc", describe_kbc}, {"debug", describe_debug},
};
#define DEVICES (sizeof devices / sizeof *devices)

const char *vmm_device(size_t i)
{
    return i < DEVICES ? devices[i].name : 0;
}

size_t vmm_device_text(const struct vmm_vm *vm, const char *device, char *text, size_t room)
{
    struct text out = text_in(text, room);
    for (size_t i = 0; i < DEVICES; i++)
        if (strcmp(devices[i].name, device) == 0)
            devices[i].describe(vm, &out);
    return out.length;
}
