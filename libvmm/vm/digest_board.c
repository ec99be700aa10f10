/* The devices' part of the state digest. Field by field: structures have padding, pointers and
 * numbers of timers, which are no state. */
#include "digest.h"

#include "machine/board.h"

static uint64_t mix_bytes(uint64_t hash, const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        hash = digest_mix(hash, bytes[i]);
    return hash;
}

/* A list of fields, each of which fits 64 bits. */
#define MIX(hash, ...)                                                                             \
    mix_list(hash, (const uint64_t[]){__VA_ARGS__}, sizeof((uint64_t[]){__VA_ARGS__}) / 8)

static uint64_t mix_list(uint64_t hash, const uint64_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = digest_mix(hash, values[i]);
    return hash;
}

static uint64_t mix_pic(uint64_t hash, const struct pic *pic)
{
    for (unsigned i = 0; i < 2; i++) {
        const struct pic_chip *c = &pic->chip[i];
        hash = MIX(hash, c->lines, c->latched, c->elcr, c->imr, c->isr, c->icw1, c->icw4, c->icw3,
                   c->base, c->expect, c->lowest, c->ready, c->rotate_auto, c->special_mask,
                   c->read_isr, c->poll);
    }
    return digest_mix(hash, pic->output);
}

static uint64_t mix_pit(uint64_t hash, const struct pit *pit)
{
    for (unsigned i = 0; i < 3; i++) {
        const struct pit_counter *c = &pit->counter[i];
        hash = MIX(hash, c->control, c->gate, c->high_next_out, c->high_next_in, c->low_out,
                   c->count_latched, c->status_latched, c->count_latch, c->status_latch, c->reload,
                   c->initial, (uint64_t)c->origin, c->loaded, c->paused, (uint64_t)c->frozen,
                   c->pending, (uint64_t)c->transfer_at, c->out_before, c->count_before);
    }
    return digest_mix(hash, pit->port61);
}

static uint64_t mix_uart(uint64_t hash, const struct uart *u)
{
    hash = MIX(hash, u->ier, u->fcr, u->lcr, u->mcr, u->lsr, u->msr, u->scratch, u->divisor,
               u->count, u->thre_pending, u->timeout, u->polling);
    for (unsigned i = 0; i < u->count; i++)
        hash = digest_mix(hash, u->fifo[(u->head + i) % UART_FIFO]);
    return hash;
}

static uint64_t mix_rtc(uint64_t hash, const struct rtc *rtc)
{
    hash = mix_bytes(hash, rtc->cmos, sizeof rtc->cmos);
    return MIX(hash, rtc->index, rtc->nmi_masked, rtc->flags, (uint64_t)rtc->origin, rtc->seconds,
               rtc->periods);
}

static uint64_t mix_kbc(uint64_t hash, const struct kbc *k)
{
    hash = mix_bytes(hash, k->ram, sizeof k->ram);
    hash = MIX(hash, k->status, k->command, k->output, k->full, k->from_keyboard, k->reply,
               k->replying, k->count, k->key_command, k->scan_set, k->last, k->leds, k->prefix,
               k->scanning, k->a20, k->port92);
    for (unsigned i = 0; i < k->count; i++)
        hash = digest_mix(hash, k->queue[(k->head + i) % KBC_QUEUE]);
    return hash;
}

uint64_t digest_board(uint64_t hash, const struct board *board)
{
    hash = mix_pic(hash, &board->pic);
    hash = mix_pit(hash, &board->pit);
    hash = mix_uart(hash, &board->uart);
    hash = mix_rtc(hash, &board->rtc);
    hash = mix_kbc(hash, &board->kbc);
    for (size_t i = 0; i < board->clock.count; i++)
        hash = digest_mix(hash, board->clock.timers[i].deadline);
    return MIX(hash, board->debug.post, board->disk.lba, board->disk.position, board->intr,
               board->request, board->exit_code);
}
