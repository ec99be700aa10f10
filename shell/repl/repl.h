/* The prompt: a session with one guest, and the commands that look at it and move it on.
 *
 *     line -> command table -> a function of (session, arguments) -> text on standard output
 *
 * Each command is one row of the table in commands.c, with its help and its completion; its
 * function lives with its group: execution.c, data.c, info.c, why.c. A command that fails says so
 * in one sentence on standard error and returns false; in a script that ends the script. */
#ifndef SHELL_REPL_REPL_H
#define SHELL_REPL_REPL_H

#include "shell/guest.h"

#include <vmm/vmm.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    BREAKPOINTS = 32,
    SYMBOL_FILES = 8,
    TYPED = 4096,
    SHOWN = 16384,
    LINE_ROOM = 512,
    SCRIPT_DEPTH = 8,
    SNAPSHOTS = 32
};

/* Which traps: of a cause, of a vector, or all. */
struct trap_kind {
    char cause[32]; /* "": any */
    int vector;     /* -1: any */
    unsigned group; /* a class or a room: its number in kind.c, from 1; 0: any */
};

enum { QUIZ_REMEMBERS = 4 };

/* A question about a trap, and how the answers were so far (quiz.c). */
struct quiz {
    uint64_t random;
    bool searching; /* the guest runs to the next trap that is worth a question */
    uint64_t skip, passed;
    const char *asked_about[QUIZ_REMEMBERS]; /* causes */
    unsigned asked, answered, right;
    bool open; /* a question waits for its answer */
    struct vmm_record record;
    unsigned letters; /* the answer is one of so many; 0: a number */
    uint32_t answer;
};

struct session {
    struct guest_options options;
    struct guest guest; /* vm is NULL without an image */
    bool terminal;      /* a person sits there: readline, prompt */
    bool colour;
    bool quit;
    bool failed; /* the last command did */

    /* What is being read: a script's name and line, or NULL. */
    const char *script;
    unsigned script_line, script_depth;
    char repeat[LINE_ROOM]; /* what an empty line does again; "" nothing */

    /* The guest's console. */
    bool guest_line;      /* the cursor is in a line of the guest's */
    char *image_name;     /* options.image, where `file` set it; owned */
    uint8_t typed[TYPED]; /* what the guest has not read yet */
    size_t typed_begin, typed_end;

    /* A breakpoint, or, with `caught`, a catchpoint: every trap of a kind is stopped at. */
    struct breakpoint {
        unsigned number;
        bool watched; /* a watchpoint: `watch` is its number in the VM, `text` what was typed */
        unsigned watch;
        enum vmm_watch_kind access; /* VMM_WATCH_MEMORY: changes; or reads, or both */
        char text[96];
        bool caught;
        struct trap_kind kind;
        uint32_t linear;
        char where[96];     /* the place, with its symbol */
        char condition[96]; /* an expression; "": none */
        uint64_t hits;
    } breakpoints[BREAKPOINTS];
    unsigned breakpoint_count, breakpoint_last;

    struct repl_lab *lab; /* a student's modules are in place; NULL: the library's own */

    struct quiz quiz;
    struct named_snapshot {
        char name[32];
        struct vmm_snapshot *snapshot;
    } snapshots[SNAPSHOTS];
    unsigned snapshot_count, snapshot_last;

    bool searching;          /* stops are only looked for: they do not count as hits */
    bool waiting;            /* `trap` runs ... */
    struct trap_kind wanted; /* ... and waits for these */

    struct source *source; /* the guest's line tables, NULL: none */
    struct symbol_file {   /* files whose symbols are added to the image's */
        char *path;        /* owned */
        struct vmm_file file;
    } symbol_files[SYMBOL_FILES];
    unsigned symbol_file_count;

    struct screen *screen; /* that is up, NULL: none (screen.c) */
    FILE *page;            /* where it collects what commands print; NULL: stdout */
    char shown[SHOWN];     /* the end of the guest's console */
    size_t shown_length;
    struct recording *recording; /* of the session, NULL: none (recording.c) */
    struct tracing *tracing;     /* of its traps, NULL: none */

    /* Where x and disassemble go on, and x's format. */
    uint32_t next_data, next_code;
    char list_file[256]; /* where list goes on; "": nowhere yet */
    unsigned list_line;
    bool next_code_known;
    char format, size;
    unsigned values; /* printed ones so far */
};

/* What an argument of a command is, for completion. */
enum completion {
    COMPLETE_NOTHING,
    COMPLETE_COMMAND,
    COMPLETE_HELP, /* commands, topics */
    COMPLETE_CAUSE,
    COMPLETE_EXPRESSION, /* registers, symbols */
    COMPLETE_TECHNIQUE,
    COMPLETE_FILE,
    COMPLETE_INFO,
    COMPLETE_BREAKPOINT,
    COMPLETE_SNAPSHOT,
};

struct repl_command {
    const char *name;
    const char *abbreviations; /* exact ones, separated by spaces; NULL: none but prefixes */
    const char *arguments;     /* as help shows them */
    const char *summary;       /* one line */
    const char *help;          /* what more there is to say; NULL: nothing */
    const char *example;
    enum completion completion;
    bool repeats; /* an empty line does it again */
    bool (*run)(struct session *session, char *arguments);
};

/* ---- the session (repl.c) ---- */

/* Runs `line` as the user's. Returns whether it succeeded. `line` is changed. */
bool repl_execute(struct session *session, char *line);

/* Runs the lines of `path`; ends at the first that fails. */
bool repl_source(struct session *session, const char *path);

/* Reads lines from standard input until its end or `quit`. */
void repl_interact(struct session *session);

/* Creates the guest that the options describe, with the session's breakpoints; false after a
 * sentence. The guest before is destroyed only if that succeeds. */
bool repl_load(struct session *session);

/* Gives a new guest its line tables, and the symbols that were added. */
void repl_load_symbols(struct session *session);
/* Forgets them all. */
void repl_forget_symbols(struct session *session);

/* The session hears of the guest's traps, and the guest has the session's breakpoints and
 * watchpoints; or not. False after a sentence. */
bool repl_attach(struct session *session);
void repl_detach(struct session *session);

/* ---- the table (commands.c) ---- */

extern const struct repl_command repl_commands[];
extern const size_t repl_command_count;

/* Finds the command that the first `length` characters of `word` name: exactly, by an abbreviation,
 * or by a prefix that no other command has. NULL with a sentence in `why` (may be NULL). */
const struct repl_command *repl_find(const char *word, size_t length, char *why, size_t room);

/* ---- output (console.c) ---- */

/* The guest's console for vmm_config: its output appears line by line behind a bar. */
struct vmm_console repl_console(struct session *session);

/* Where a session prints: standard output, or the page of its screen. */
FILE *repl_out(const struct session *session);

/* Draws the screen again if it is time, as the guest has printed something (screen.c). */
void repl_screen_output(struct session *session);

/* Prints there, in a line of its own even if the guest has not ended its last. */
void repl_say(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One sentence on standard error, with the script's name and line if there is one. Returns false.
 */
bool repl_complain(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum paint { PAINT_OFF, PAINT_BOLD, PAINT_DIM, PAINT_PLACE, PAINT_HEAD, PAINT_BAD };
/* The escape sequence, or "" without colour. Static string. */
const char *repl_paint(const struct session *session, enum paint paint);

/* ---- helpers that commands share ---- */

/* False, after a sentence, if there is no guest. */
bool repl_need_guest(struct session *session);

/* Evaluates all of `text`; false after a sentence. With `rest`, what follows may be anything. */
bool repl_evaluate(struct session *session, const char *text, const char **rest, uint32_t *value);

/* "0x00100067 <main+0x7>", in `text`. */
const char *repl_place(const struct session *session, uint32_t linear, char *text, size_t room);

/* Takes the next word from `*text`, which is changed; NULL at its end. */
char *repl_word(char **text);

/* Parses a decimal or hexadecimal count from 1 on; false after a sentence. */
bool repl_count(struct session *session, const char *text, uint64_t *count);

/* The guest's linear EIP, and whether its code is of 16 bits. */
uint32_t repl_pc(const struct session *session);
bool repl_code16(const struct session *session);

/* The calls that led here, innermost first, as vmm_backtrace; at a function's first two
 * instructions, where EBP is still its caller's, with that caller. Returns how many. */
unsigned repl_frames(const struct session *session, struct vmm_frame *frames, unsigned room);

/* Prints the source line that `linear` belongs to; false if that is not known. */
bool repl_print_source(struct session *session, uint32_t linear);

/* Prints the instruction at `linear`; returns its length, 0 if there is none. */
unsigned repl_print_instruction(struct session *session, uint32_t linear, bool current);

/* Whether it is a breakpoint, at a place; no catchpoint or watchpoint. */
static inline bool repl_is_place(const struct breakpoint *point)
{
    return !point->caught && !point->watched;
}

/* A new one, with a number; NULL after a sentence if there are too many. */
struct breakpoint *repl_add_breakpoint(struct session *session);

/* The one that was added last comes to nothing, and its number is the next one's. */
void repl_drop_breakpoint(struct session *session);

/* What follows an address: nothing, or "if EXPRESSION", of which `*condition` becomes the
 * expression. False after a sentence, also if it cannot be evaluated now. */
bool repl_starts_condition(const char *text);
bool repl_check_condition(struct session *session, const char **condition);

/* A kind of traps by its name; false after a sentence (kind.c). And the groups' names. */
bool repl_parse_kind(struct session *session, const char *text, struct trap_kind *kind);
bool repl_is_of_kind(const struct vmm_record *record, const struct trap_kind *kind);
const char *repl_group(size_t i);

/* Watchpoints (watch.c): what the last stop was for, whether its condition holds; and all of them
 * set on a new guest. */
void repl_show_watch(struct session *session);
bool repl_watch_holds(struct session *session);
void repl_watch_again(struct session *session);

/* Says why and where the guest stands. */
void repl_report_stop(struct session *session, enum vmm_stop stop);

/* Whether the user wants to be told of this stop: not if it is a breakpoint's whose condition does
 * not hold. */
bool repl_holds(struct session *session, enum vmm_stop stop);

/* ---- commands, by group ---- */

bool repl_run(struct session *session, char *arguments);
bool repl_continue(struct session *session, char *arguments);
bool repl_step(struct session *session, char *arguments);
bool repl_next(struct session *session, char *arguments);
bool repl_finish(struct session *session, char *arguments);
bool repl_trap(struct session *session, char *arguments);
bool repl_until(struct session *session, char *arguments);
bool repl_break(struct session *session, char *arguments);
bool repl_catch(struct session *session, char *arguments);
bool repl_delete(struct session *session, char *arguments);
bool repl_technique(struct session *session, char *arguments);
bool repl_file(struct session *session, char *arguments);
bool repl_add_symbols(struct session *session, char *arguments);
bool repl_lab(struct session *session, char *arguments);
bool repl_type(struct session *session, char *arguments);

bool repl_watch(struct session *session, char *arguments);
bool repl_rwatch(struct session *session, char *arguments);
bool repl_awatch(struct session *session, char *arguments);
bool repl_gdbserver(struct session *session, char *arguments);

bool repl_back(struct session *session, char *arguments);
bool repl_reverse_step(struct session *session, char *arguments);
bool repl_reverse_continue(struct session *session, char *arguments);
bool repl_goto(struct session *session, char *arguments);
bool repl_snapshot(struct session *session, char *arguments);
bool repl_restore(struct session *session, char *arguments);
bool repl_info_snapshots(struct session *session, char *arguments);
const char *repl_snapshot_name(const struct session *session, size_t i);
void repl_free_snapshots(struct session *session);

bool repl_print(struct session *session, char *arguments);
bool repl_examine(struct session *session, char *arguments);
bool repl_disassemble(struct session *session, char *arguments);
bool repl_list(struct session *session, char *arguments);
bool repl_set(struct session *session, char *arguments);
bool repl_walk(struct session *session, char *arguments);
/* A line about the walks in two dimensions so far; false without nested page tables. */
bool repl_nested_walks(struct session *session);
bool repl_translate(struct session *session, char *arguments);
/* Topics of info (translate.c). */
bool repl_info_units(struct session *session, char *arguments);
bool repl_info_cache(struct session *session, char *arguments);

bool repl_backtrace(struct session *session, char *arguments);
bool repl_info(struct session *session, char *arguments);
const char *repl_info_topic(size_t i);

bool repl_why(struct session *session, char *arguments);
bool repl_classify(struct session *session, char *arguments);
bool repl_quiz(struct session *session, char *arguments);
bool repl_answer(struct session *session, char *arguments);
/* Whether the quiz wants to ask about this trap. */
bool repl_quiz_wants(struct session *session, const struct vmm_record *record);

/* Runs the guest to a trap that was asked for, or to whatever else stops it, and says nothing.
 * False after a sentence, if it cannot run. */
bool repl_run_silently(struct session *session);

bool repl_record(struct session *session, char *arguments);
bool repl_screen(struct session *session, char *arguments);
bool repl_trace(struct session *session, char *arguments);

/* ---- what a session leaves behind (recording.c) ---- */

/* Puts text into the recording, if there is one, that did not go through stdout. */
void repl_record_text(struct session *session, const char *text);

/* Ends the recording or the trace, if there is one. False after a sentence. A trace must end before
 * its VM does. */
bool repl_record_stop(struct session *session);
bool repl_trace_stop(struct session *session);

/* Readline's completion (complete.c); to be set up once. */
void repl_complete_with_readline(struct session *session);

#endif
