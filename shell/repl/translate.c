/* Binary translation at the prompt: a unit of the guest's code beside its translation, and the
 * state of the code cache. */
#include "shell/repl/repl.h"

#include <vmm/debug.h>
#include <vmm/trace.h>
#include <vmm/translate.h>

#include <inttypes.h>
#include <stdio.h>

enum { COLUMN = 34 };

static const char *const treatments[] = {[VMM_TREATED_IDENTICAL] = "",
                                         [VMM_TREATED_INLINE] = "inline",
                                         [VMM_TREATED_BRANCH] = "branch",
                                         [VMM_TREATED_INDIRECT] = "indirect",
                                         [VMM_TREATED_CALL_OUT] = "call-out"};

/* One line for each instruction of the translation; the guest's stands in the first. */
static bool put_instruction(void *context, const struct vmm_translated *t)
{
    struct session *session = context;
    uint8_t bytes[16];
    char guest[96], cache[96];
    size_t count = vmm_read_linear(session->guest.vm, t->linear, bytes, sizeof bytes);
    vmm_disassemble(bytes, count, t->linear, false, guest, sizeof guest);
    for (uint32_t at = 0; at < t->cache_length && at < sizeof t->bytes;) {
        size_t room = sizeof t->bytes - at;
        if (room > t->cache_length - at)
            room = t->cache_length - at;
        unsigned length =
            vmm_disassemble(t->bytes + at, room, t->cache + at, false, cache, sizeof cache);
        if (at == 0)
            repl_say(session, "%08" PRIx32 "  %-*.*s  %08" PRIx32 "  %-*s%s\n", t->linear, COLUMN,
                     COLUMN, guest, t->cache, COLUMN, cache, treatments[t->treatment]);
        else
            repl_say(session, "%*s  %08" PRIx32 "  %s\n", COLUMN + 10, "", t->cache + at, cache);
        if (t->branches && !t->chained && t->bytes[at] == 0xcc)
            break; /* the rest of the jump that will stand here */
        at += length ? length : 1;
    }
    if (t->branches)
        repl_say(session, "%*s            to %08" PRIx32 ", %s\n", COLUMN + 10, "", t->target,
                 t->chained ? "chained" : "not chained yet");
    return true;
}

bool repl_translate(struct session *session, char *arguments)
{
    struct vmm_translation translation;
    uint32_t linear = 0;
    if (!repl_need_guest(session))
        return false;
    if (!vmm_translation(session->guest.vm, &translation))
        return repl_complain(session, "This technique does not translate; try 'technique bt'.");
    if (!*arguments)
        linear = repl_pc(session);
    else if (!repl_evaluate(session, arguments, NULL, &linear))
        return false;
    if (vmm_translated(session->guest.vm, linear, put_instruction, session))
        return true;
    return repl_complain(
        session, "No translation unit begins at 0x%08" PRIx32 "; 'info tu' lists them.", linear);
}

bool repl_info_units(struct session *session, char *arguments)
{
    struct vmm_unit unit;
    uint64_t most = 20;
    size_t count = 0;
    if (*arguments && !repl_count(session, arguments, &most))
        return false;
    while (vmm_unit(session->guest.vm, count, &unit))
        count++;
    if (!count)
        return repl_complain(session, "There are no translation units; under bt there are.");
    size_t first = count > most ? count - (size_t)most : 0;
    for (size_t i = first; vmm_unit(session->guest.vm, i, &unit); i++) {
        char place[96];
        repl_say(session,
                 "%5zu  %s  %3" PRIu32 " bytes -> %08" PRIx32 ", %3" PRIu32
                 " bytes; %u of %u exits chained%s%s\n",
                 i, repl_place(session, unit.linear, place, sizeof place), unit.length, unit.cache,
                 unit.size, unit.chained, unit.exits, unit.landing ? ", landing" : "",
                 unit.live ? "" : ", dead");
    }
    return true;
}

bool repl_info_cache(struct session *session, char *arguments)
{
    struct vmm_translation t;
    (void)arguments;
    if (!vmm_translation(session->guest.vm, &t))
        return repl_complain(session, "This technique has no code cache; try 'technique bt'.");
    repl_say(session,
             "  code cache               %10" PRIu32 " of %" PRIu32 " bytes in use\n"
             "  units                    %10" PRIu64 " made, %" PRIu64 " valid now\n"
             "  guest's code             %10" PRIu64 " bytes became %" PRIu64 "\n"
             "  identical                %10" PRIu64 "\n  inline                   %10" PRIu64
             "\n  branches                 %10" PRIu64 ", %" PRIu64 " chained\n"
             "  indirect branches        %10" PRIu64 ", %" PRIu64 " misses\n"
             "  call-outs                %10" PRIu64 ", executed %" PRIu64 " times\n"
             "  look-ups                 %10" PRIu64 ", %" PRIu64 " hits\n"
             "  units lost               %10" PRIu64 "\n  pages banned             %10" PRIu64
             "\n  flushes                  %10" PRIu64 "\n",
             t.cache_used, t.cache_size, t.units, t.live, t.guest_bytes, t.cache_bytes, t.identical,
             t.inlined, t.branches, t.chains, t.indirect, t.misses, t.call_outs, t.called_out,
             t.lookups, t.hits, t.killed, t.bans, t.flushes);
    return true;
}
