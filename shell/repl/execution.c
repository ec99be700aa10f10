/* Commands that move the guest on, and say where it may not go unnoticed. */
#include "shell/repl/repl.h"

#include "shell/nearest.h"
#include "shell/repl/lab.h"
#include "shell/repl/signals.h"
#include "shell/repl/why.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- where the guest stands ---- */

static bool can_go_on(enum vmm_stop stop)
{
    switch (stop) {
    case VMM_STOP_NONE:
    case VMM_STOP_LIMIT:
    case VMM_STOP_USER:
    case VMM_STOP_BREAK:
    case VMM_STOP_TRAP:
    case VMM_STOP_WATCH: return true;
    default: return false;
    }
}

static enum vmm_stop last_stop(const struct session *session)
{
    struct vmm_statistics statistics;
    vmm_statistics(session->guest.vm, &statistics);
    return statistics.stop;
}

static void show_place(struct session *session)
{
    repl_print_source(session, repl_pc(session));
    repl_print_instruction(session, repl_pc(session), true);
}

static void show_break(struct session *session)
{
    uint32_t pc = repl_pc(session);
    for (unsigned i = 0; i < session->breakpoint_count; i++) {
        struct breakpoint *point = &session->breakpoints[i];
        if (!repl_is_place(point) || point->linear != pc)
            continue;
        point->hits++;
        repl_say(session, "Breakpoint %u, %s\n", point->number, point->where);
    }
    show_place(session);
}

static void show_trap(struct session *session)
{
    struct vmm_record record;
    char text[VMM_RECORD_TEXT];
    if (!vmm_last_record(session->guest.vm, 0, &record))
        return;
    vmm_record_text(session->guest.vm, &record, text, sizeof text);
    repl_say(session, "Trap %llu: %s\n", (unsigned long long)record.sequence, text);
    show_place(session);
}

void repl_report_stop(struct session *session, enum vmm_stop stop)
{
    session->next_code_known = false;
    session->list_file[0] = '\0';
    switch (stop) {
    case VMM_STOP_BREAK: show_break(session); break;
    case VMM_STOP_TRAP: show_trap(session); break;
    case VMM_STOP_WATCH:
        repl_show_watch(session);
        show_place(session);
        break;
    case VMM_STOP_LIMIT: show_place(session); break;
    case VMM_STOP_USER:
        /* Behind the terminal's echo of ^C. */
        repl_say(session, "%s%s\n", session->terminal ? "\n" : "",
                 vmm_stop_text(session->guest.vm));
        show_place(session);
        break;
    default:
        repl_say(session, "%s%s%s\n", repl_paint(session, PAINT_HEAD),
                 vmm_stop_text(session->guest.vm), repl_paint(session, PAINT_OFF));
        if (stop == VMM_STOP_SHUTDOWN || stop == VMM_STOP_DIVERGENCE || stop == VMM_STOP_STUCK)
            repl_say(session, "'why' explains the last trap, 'info report' shows all there is.\n");
        break;
    }
}

static uint64_t retired(const struct session *session)
{
    struct vmm_statistics statistics;
    vmm_statistics(session->guest.vm, &statistics);
    return statistics.guest_instructions;
}

/* Whether the guest is to go on from the breakpoint that it stands at: one is there, each has a
 * condition, and none holds. What cannot be evaluated holds, after a sentence. */
static bool pass_conditions(struct session *session)
{
    uint32_t pc = repl_pc(session), value = 0;
    bool pass = false;
    for (unsigned i = 0; i < session->breakpoint_count; i++) {
        const struct breakpoint *point = &session->breakpoints[i];
        if (!repl_is_place(point) || point->linear != pc)
            continue;
        if (!*point->condition || !repl_evaluate(session, point->condition, NULL, &value) || value)
            return false;
        pass = true;
    }
    return pass;
}

bool repl_holds(struct session *session, enum vmm_stop stop)
{
    if (stop == VMM_STOP_WATCH)
        return repl_watch_holds(session);
    return stop != VMM_STOP_BREAK || !pass_conditions(session);
}

/* Runs until something else than a breakpoint's condition decides; 0: no limit. */
static enum vmm_stop run_conditionally(struct session *session, uint64_t instructions)
{
    uint64_t end = retired(session) + instructions;
    for (;;) {
        enum vmm_stop stop = vmm_run(session->guest.vm, instructions);
        if (repl_holds(session, stop))
            return stop;
        if (instructions && (instructions = end - retired(session)) == 0)
            return VMM_STOP_LIMIT;
    }
}

/* Runs for `instructions`, 0: as long as it likes, but never beyond --max-instructions. */
static enum vmm_stop run_guest(struct session *session, uint64_t instructions)
{
    uint64_t most = session->options.most_instructions, done = retired(session);
    if (most && done >= most)
        return VMM_STOP_LIMIT;
    if (most && (!instructions || instructions > most - done))
        instructions = most - done;
    signals_run(session->guest.vm);
    enum vmm_stop stop = run_conditionally(session, instructions);
    signals_run(NULL);
    repl_lab_report(session);
    return stop;
}

/* Whether there is a guest that can go on; a sentence otherwise. */
static bool need_running(struct session *session)
{
    if (!repl_need_guest(session))
        return false;
    if (can_go_on(last_stop(session)))
        return true;
    return repl_complain(session, "The guest has ended; 'run' starts it again.");
}

static bool need_instructions(struct session *session)
{
    if (!need_running(session))
        return false;
    if (session->options.config.clock != VMM_CLOCK_HOST)
        return true;
    return repl_complain(session, "With the host's clock instructions are not counted; start with "
                                  "--clock virtual to step.");
}

/* Says that a limit was the reason, where the user did not set it with this command. */
static bool go_on(struct session *session)
{
    enum vmm_stop stop = run_guest(session, 0);
    if (stop == VMM_STOP_LIMIT)
        repl_say(session, "%llu instructions have retired: the limit of --max-instructions.\n",
                 (unsigned long long)retired(session));
    repl_report_stop(session, stop);
    return true;
}

bool repl_run_silently(struct session *session)
{
    if (!need_running(session))
        return false;
    run_guest(session, 0);
    session->next_code_known = false;
    return true;
}

/* ---- going on ---- */

bool repl_run(struct session *session, char *arguments)
{
    if (*arguments)
        return repl_complain(session, "'run' takes nothing; 'file IMAGE' loads another guest.");
    if (!repl_need_guest(session))
        return false;
    if (last_stop(session) != VMM_STOP_NONE && !repl_load(session))
        return false;
    return go_on(session);
}

bool repl_continue(struct session *session, char *arguments)
{
    if (*arguments)
        return repl_complain(session, "'continue' takes nothing; 'until N' runs to a point.");
    return need_running(session) && go_on(session);
}

bool repl_step(struct session *session, char *arguments)
{
    uint64_t count = 1;
    if (!need_instructions(session) || (*arguments && !repl_count(session, arguments, &count)))
        return false;
    repl_report_stop(session, run_guest(session, count));
    return true;
}

bool repl_until(struct session *session, char *arguments)
{
    uint64_t count;
    if (!need_instructions(session))
        return false;
    if (!*arguments)
        return repl_complain(session, "There is no number; write 'until 1000000'.");
    if (!repl_count(session, arguments, &count))
        return false;
    uint64_t done = retired(session);
    if (count <= done)
        return repl_complain(session, "%llu instructions have retired already; 'run' starts again.",
                             (unsigned long long)done);
    repl_report_stop(session, run_guest(session, count - done));
    return true;
}

static bool calls(const char *text)
{
    return strncmp(text, "call", 4) == 0 || strncmp(text, "int", 3) == 0;
}

/* Runs to `behind`, by a breakpoint that is gone afterwards, with the stack at `stack` or above:
 * deeper calls of the same code are passed. */
static enum vmm_stop run_to(struct session *session, uint32_t behind, uint32_t stack)
{
    struct vmm_vm *vm = session->guest.vm;
    struct vmm_error error;
    uint32_t now;
    enum vmm_stop stop;
    bool own = true;
    for (unsigned i = 0; i < session->breakpoint_count; i++)
        own &= !repl_is_place(&session->breakpoints[i]) || session->breakpoints[i].linear != behind;
    if (vmm_break_add(vm, behind, &error) != VMM_OK) {
        repl_complain(session, "%s", error.text);
        return VMM_STOP_LIMIT;
    }
    do {
        stop = run_guest(session, 0);
        vmm_register(vm, "esp", &now);
    } while (stop == VMM_STOP_BREAK && repl_pc(session) == behind && now < stack);
    if (own)
        vmm_break_delete(vm, behind);
    return stop;
}

static uint32_t stack_pointer(const struct session *session)
{
    uint32_t stack = 0;
    vmm_register(session->guest.vm, "esp", &stack);
    return stack;
}

/* Runs to `behind`; there it is no breakpoint's stop, but the end of a step. */
static void report_arrival(struct session *session, uint32_t behind, uint32_t stack)
{
    enum vmm_stop stop = run_to(session, behind, stack);
    bool arrived = stop == VMM_STOP_BREAK && repl_pc(session) == behind;
    repl_report_stop(session, arrived ? VMM_STOP_LIMIT : stop);
}

bool repl_next(struct session *session, char *arguments)
{
    uint8_t bytes[15];
    char text[128];
    if (*arguments)
        return repl_complain(session, "'next' takes nothing; an empty line repeats it.");
    if (!need_instructions(session))
        return false;
    uint32_t pc = repl_pc(session);
    size_t count = vmm_read_linear(session->guest.vm, pc, bytes, sizeof bytes);
    unsigned length = vmm_disassemble(bytes, count, pc, repl_code16(session), text, sizeof text);
    if (!length || !calls(text)) {
        repl_report_stop(session, run_guest(session, 1));
        return true;
    }
    report_arrival(session, pc + length, stack_pointer(session));
    return true;
}

bool repl_finish(struct session *session, char *arguments)
{
    struct vmm_frame frames[2];
    if (*arguments)
        return repl_complain(session, "'finish' takes nothing; 'until N' runs to a point.");
    if (!need_running(session))
        return false;
    if (repl_frames(session, frames, 2) < 2)
        return repl_complain(session, "There is no caller to return to; 'backtrace' shows the "
                                      "frames.");
    report_arrival(session, frames[1].pc, stack_pointer(session));
    return true;
}

/* ---- traps ---- */

bool repl_trap(struct session *session, char *arguments)
{
    session->wanted = (struct trap_kind){.vector = -1};
    if (!need_running(session) ||
        (*arguments && !repl_parse_kind(session, arguments, &session->wanted)))
        return false;
    session->waiting = true;
    bool good = go_on(session);
    session->waiting = false;
    return good;
}

/* ---- breakpoints ---- */

bool repl_starts_condition(const char *text)
{
    return strncmp(text, "if", 2) == 0 && (!text[2] || isspace((unsigned char)text[2]));
}

/* What follows the address: nothing, or "if EXPRESSION", of which `*condition` becomes the
 * expression. It must be one that can be evaluated now. */
bool repl_check_condition(struct session *session, const char **condition)
{
    uint32_t value;
    if (!**condition)
        return true;
    if (!repl_starts_condition(*condition))
        return repl_complain(session,
                             "'%.20s' makes no sense behind the address; write 'if "
                             "EXPRESSION'.",
                             *condition);
    *condition += 2;
    while (isspace((unsigned char)**condition))
        ++*condition;
    if (strlen(*condition) >= sizeof session->breakpoints->condition)
        return repl_complain(session, "The condition is too long; %zu characters are enough.",
                             sizeof session->breakpoints->condition - 1);
    return repl_evaluate(session, *condition, NULL, &value);
}

struct breakpoint *repl_add_breakpoint(struct session *session)
{
    if (session->breakpoint_count == BREAKPOINTS) {
        repl_complain(session, "There are %d breakpoints; delete one first.", BREAKPOINTS);
        return NULL;
    }
    struct breakpoint *point = &session->breakpoints[session->breakpoint_count++];
    *point = (struct breakpoint){.number = ++session->breakpoint_last};
    return point;
}

void repl_drop_breakpoint(struct session *session)
{
    session->breakpoint_count--;
    session->breakpoint_last--;
}

bool repl_catch(struct session *session, char *arguments)
{
    struct trap_kind kind;
    if (!*arguments)
        return repl_complain(session, "Say what to catch, a cause or a vector; write 'catch #PF'.");
    if (!repl_parse_kind(session, arguments, &kind))
        return false;
    struct breakpoint *point = repl_add_breakpoint(session);
    if (!point)
        return false;
    point->caught = true;
    point->kind = kind;
    snprintf(point->where, sizeof point->where, "traps: %s", arguments);
    repl_say(session, "Catchpoint %u, %s\n", point->number, point->where);
    return true;
}

bool repl_break(struct session *session, char *arguments)
{
    uint32_t linear;
    struct vmm_error error;
    char place[128];
    if (!repl_need_guest(session))
        return false;
    linear = repl_pc(session);
    if (*arguments == '*') /* gdb's: at an address */
        arguments++;
    const char *condition = arguments;
    if (*arguments && !repl_starts_condition(arguments) &&
        !repl_evaluate(session, arguments, &condition, &linear))
        return false;
    if (!repl_check_condition(session, &condition))
        return false;
    struct breakpoint *point = repl_add_breakpoint(session);
    if (!point)
        return false;
    if (vmm_break_add(session->guest.vm, linear, &error) != VMM_OK) {
        repl_drop_breakpoint(session);
        return repl_complain(session, "%s", error.text);
    }
    point->linear = linear;
    repl_place(session, linear, place, sizeof place);
    snprintf(point->where, sizeof point->where, "%.95s", place);
    snprintf(point->condition, sizeof point->condition, "%s", condition);
    repl_say(session, "Breakpoint %u at %s%s%s\n", point->number, place, *condition ? " if " : "",
             condition);
    return true;
}

static void remove_breakpoint(struct session *session, unsigned index)
{
    const struct breakpoint gone = session->breakpoints[index];
    session->breakpoint_count--;
    memmove(&session->breakpoints[index], &session->breakpoints[index + 1],
            (session->breakpoint_count - index) * sizeof *session->breakpoints);
    for (unsigned i = 0; i < session->breakpoint_count; i++)
        if (repl_is_place(&gone) && repl_is_place(&session->breakpoints[i]) &&
            session->breakpoints[i].linear == gone.linear)
            return; /* set twice */
    if (session->guest.vm && repl_is_place(&gone))
        vmm_break_delete(session->guest.vm, gone.linear);
    if (session->guest.vm && gone.watched)
        vmm_watch_delete(session->guest.vm, gone.watch);
}

static bool delete_number(struct session *session, const char *word)
{
    char *end;
    unsigned long number = strtoul(word, &end, 10);
    for (unsigned i = 0; !*end && i < session->breakpoint_count; i++) {
        if (session->breakpoints[i].number != number)
            continue;
        remove_breakpoint(session, i);
        return true;
    }
    return repl_complain(session, "There is no breakpoint '%.20s'; 'info breakpoints' lists them.",
                         word);
}

bool repl_delete(struct session *session, char *arguments)
{
    char *word = repl_word(&arguments);
    if (!word)
        while (session->breakpoint_count)
            remove_breakpoint(session, session->breakpoint_count - 1);
    for (; word; word = repl_word(&arguments))
        if (!delete_number(session, word))
            return false;
    return true;
}

/* ---- another guest, another technique ---- */

static const char *technique_name(void *context, size_t i)
{
    (void)context;
    return vmm_technique(i);
}

static bool complain_of_technique(struct session *session, const char *name)
{
    const char *nearest = nearest_name(name, technique_name, NULL);
    return repl_complain(session, "There is no technique '%.20s'; %s%s%s", name,
                         nearest ? "did you mean '" : "'technique' lists them.",
                         nearest ? nearest : "", nearest ? "'?" : "");
}

bool repl_technique(struct session *session, char *arguments)
{
    const char *name, *before = session->options.config.technique;
    if (!*arguments) {
        for (size_t i = 0; (name = vmm_technique(i)); i++)
            repl_say(session, "%s %s\n", strcmp(name, before) == 0 ? "*" : " ", name);
        return true;
    }
    for (size_t i = 0; (name = vmm_technique(i)) && strcmp(name, arguments) != 0; i++)
        ;
    if (!name)
        return complain_of_technique(session, arguments);
    session->options.config.technique = name;
    if (!session->guest.vm)
        return true;
    if (!repl_load(session)) {
        session->options.config.technique = before;
        return false;
    }
    repl_say(session, "The guest stands at its entry again, under %s.\n", name);
    show_place(session);
    return true;
}

bool repl_file(struct session *session, char *arguments)
{
    const char *before = session->options.image;
    if (!*arguments)
        return repl_complain(session, "There is no image; write 'file IMAGE'.");
    session->options.image = strdup(arguments);
    if (!session->options.image || !repl_load(session)) {
        free((void *)session->options.image);
        session->options.image = before;
        return false;
    }
    free(session->image_name);
    session->image_name = (char *)session->options.image;
    show_place(session);
    return true;
}

/* ---- typing ---- */

/* Decodes one character of a quoted text, behind `*at`; false at its end or a mistake. */
static bool take_character(const char **at, uint8_t *byte)
{
    static const char escapes[] = "n\nt\tr\re\033\\\\\"\"";
    const char *c = *at;
    if (*c != '\\') {
        *byte = (uint8_t)*c;
        *at = c + (*c != '\0');
        return *c != '\0';
    }
    if (c[1] == 'x' && isxdigit((unsigned char)c[2]) && isxdigit((unsigned char)c[3])) {
        const char digits[] = {c[2], c[3], '\0'};
        *byte = (uint8_t)strtoul(digits, NULL, 16);
        *at = c + 4;
        return true;
    }
    for (size_t i = 0; i + 1 < sizeof escapes; i += 2) {
        if (c[1] != escapes[i])
            continue;
        *byte = (uint8_t)escapes[i + 1];
        *at = c + 2;
        return true;
    }
    return false;
}

bool repl_type(struct session *session, char *arguments)
{
    const char *at = arguments;
    size_t end = session->typed_end;
    if (!repl_need_guest(session))
        return false;
    if (*at++ != '"')
        return repl_complain(session, "The text must be in quotes; write type \"help\\n\".");
    while (*at != '"') {
        uint8_t byte;
        if (!take_character(&at, &byte))
            return repl_complain(session, *at ? "After a backslash come n, t, r, e, \\, \" or xNN."
                                              : "The text's quote is not closed; add '\"'.");
        if (end == sizeof session->typed)
            return repl_complain(session, "The guest has %zu characters to read yet; run it first.",
                                 sizeof session->typed);
        session->typed[end++] = byte;
    }
    session->typed_end = end;
    return true;
}
