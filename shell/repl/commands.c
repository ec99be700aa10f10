/* The table of commands: gdb's words where gdb has them. */
#include "shell/repl/repl.h"

#include "shell/nearest.h"
#include "shell/topics.h"

#include <ctype.h>
#include <readline/history.h>
#include <stdlib.h>
#include <string.h>

static bool run_help(struct session *session, char *arguments);

static bool run_quit(struct session *session, char *arguments)
{
    (void)arguments;
    session->quit = true;
    return true;
}

static bool run_source(struct session *session, char *arguments)
{
    if (!*arguments)
        return repl_complain(session, "There is no script; write 'source FILE'.");
    return repl_source(session, arguments);
}

static bool run_echo(struct session *session, char *arguments)
{
    repl_say(session, "%s\n", arguments);
    return true;
}

static bool run_history(struct session *session, char *arguments)
{
    uint64_t count = 20;
    if (*arguments && !repl_count(session, arguments, &count))
        return false;
    HIST_ENTRY **entries = history_list();
    int length = entries ? history_length : 0;
    int first = count < (uint64_t)length ? length - (int)count : 0;
    for (int i = first; i < length; i++)
        repl_say(session, "%5d  %s\n", i + history_base, entries[i]->line);
    return true;
}

const struct repl_command repl_commands[] = {
    {"run", "r", "", "run the guest, from its start if it has run already",
     "Breakpoints stay. The guest's console output appears behind a bar; ^C stops it.", "run",
     COMPLETE_NOTHING, false, repl_run},
    {"continue", "c", "", "let the guest go on, to a breakpoint or its end", NULL, "continue",
     COMPLETE_NOTHING, true, repl_continue},
    {"step", "s si stepi", "[N]", "execute one instruction, or N",
     "A step at HLT with nothing pending passes the time to the next interrupt. An instruction\n"
     "that faults is stepped into its handler.",
     "step 10", COMPLETE_NOTHING, true, repl_step},
    {"next", "n ni nexti", "", "execute one instruction; CALL and INT with all that they call",
     NULL, "next", COMPLETE_NOTHING, true, repl_next},
    {"trap", "t tr", "[CAUSE|VECTOR]", "run to the next trap, or to the next of a cause",
     "A cause is a name that 'info stats' shows (exception, hidden_fault, cli, mov_to_cr), a\n"
     "vector is a number or an exception's name (14, 0x80, #GP). The guest is stopped behind the\n"
     "trap: handled, and about to go on. 'why' explains it.",
     "trap #PF", COMPLETE_CAUSE, true, repl_trap},
    {"back", "rs rsi", "[N] | trap [N]", "go back by N instructions, or by N traps",
     "The state is the one that the guest was in, and 'continue', 'step' and 'trap' go on from\n"
     "it. What the guest was typed comes again, what it has printed does not. 'set' makes it\n"
     "another run from there on. Where a fault has just been delivered, one back is before the\n"
     "delivery.",
     "back trap", COMPLETE_NOTHING, true, repl_back},
    {"reverse-step", "reverse-stepi", "[N]", "go back by one instruction, or N; as 'back'", NULL,
     "reverse-step 10", COMPLETE_NOTHING, true, repl_reverse_step},
    {"reverse-continue", "rc", "", "go back to the last breakpoint, catchpoint or watchpoint",
     "Without one, to where the history begins: the guest's start.", "reverse-continue",
     COMPLETE_NOTHING, true, repl_reverse_continue},
    {"goto", NULL, "N", "go to where N instructions had retired, back or forth",
     "As far as the guest has run; 'until' runs on. The number is what 'info vm' shows.",
     "goto 1000000", COMPLETE_NOTHING, false, repl_goto},
    {"snapshot", NULL, "[NAME]", "keep the present state, for 'restore'",
     "Registers, memory, devices, time and statistics. A name that is there is taken again.",
     "snapshot before", COMPLETE_SNAPSHOT, false, repl_snapshot},
    {"restore", NULL, "NAME", "go to the state of a snapshot", NULL, "restore before",
     COMPLETE_SNAPSHOT, false, repl_restore},
    {"why", "w", "[N]", "explain the last trap, or the one N traps before it",
     "What the instruction wanted, its class by Popek and Goldberg's definition, what the\n"
     "hardware did, who handled it, what changed, and what would be without the VMM.",
     "why", COMPLETE_NOTHING, false, repl_why},
    {"classify", NULL, "INSTRUCTION", "find an instruction's class by executing it",
     "INSTRUCTION is text (popf, mov eax, cs) or bytes in hexadecimal (9d). It is executed in\n"
     "pairs of states that differ in the mode or in one resource only; the guest has no part in\n"
     "that. 'help classes' says what the classes mean.",
     "classify popf", COMPLETE_NOTHING, false, repl_classify},
    {"quiz", NULL, "[-s SEED]", "run on to some trap, and be asked about it",
     "Who handles it, what becomes of a register, which class the instruction is of. 'answer' has\n"
     "the answer checked. The same seed is the same quiz.",
     "quiz -s 7", COMPLETE_NOTHING, false, repl_quiz},
    {"answer", NULL, "LETTER|VALUE", "answer the question of the quiz", NULL, "answer b",
     COMPLETE_NOTHING, false, repl_answer},
    {"until", "u", "N", "run until N instructions have retired since power-on",
     "The same point in every run, for virtual time is the same in every run.", "until 1000000",
     COMPLETE_NOTHING, false, repl_until},
    {"finish", "fin", "", "run until the present function returns",
     "The caller is found by the chain of saved EBPs, as 'backtrace' shows it.", "finish",
     COMPLETE_NOTHING, false, repl_finish},
    {"backtrace", "bt where", "", "show the calls that led here", NULL, "backtrace",
     COMPLETE_NOTHING, false, repl_backtrace},
    {"break", "b", "[ADDRESS] [if COND]", "stop before the instruction at ADDRESS, or the present",
     "ADDRESS is an expression: a symbol of the guest's image, a number, $eip + 5; or the same\n"
     "behind a *, as gdb has it. It is linear, and holds in every address space. The guest cannot\n"
     "notice breakpoints. With a condition it stops only where that is not zero. FILE:LINE is an\n"
     "address as well, if the guest has line tables.",
     "break trap if $esp < 0x110000", COMPLETE_EXPRESSION, false, repl_break},
    {"catch", NULL, "CAUSE|VECTOR|CLASS|ROOM",
     "stop behind every trap of a kind, until it is deleted",
     "A cause or vector as for 'trap'. A class of what trapped: sensitive, privileged, innocuous,\n"
     "event. A room of the VMM that it passed through: allocator, interpreter; dispatcher: no\n"
     "other. 'trap' takes them, too.",
     "catch mov_to_cr", COMPLETE_CAUSE, false, repl_catch},
    {"watch", NULL, "PLACE [LENGTH] [if COND]", "stop behind the instruction that changes PLACE",
     "watch ticks             four bytes of memory, at a symbol or any address; LENGTH: 1 to 64\n"
     "watch byte(ADDRESS)     one byte; word() two\n"
     "watch $cr3              a register; $if is the guest's interrupt flag\n"
     "watch port 0x3f8 [8]    every access to a port, or to 8 from there on\n"
     "Memory, $if, control registers and ports cost nothing until they are met. For another\n"
     "register the guest is stepped instruction by instruction, and 'watch' says so. What an\n"
     "address stands for is decided now: it must be mapped.",
     "watch *0x12f004 if *0x12f004 > 100", COMPLETE_EXPRESSION, false, repl_watch},
    {"rwatch", NULL, "ADDRESS [LENGTH] [if COND]",
     "stop behind the instruction that reads memory at ADDRESS",
     "As 'watch', but for reads: operands and what is popped; not what the processor reads for\n"
     "itself, as page tables and descriptors. Reads change nothing, so that the guest is stepped\n"
     "instruction by instruction.",
     "rwatch ticks", COMPLETE_EXPRESSION, false, repl_rwatch},
    {"awatch", NULL, "ADDRESS [LENGTH] [if COND]",
     "stop behind the instruction that reads or writes at ADDRESS",
     "As 'rwatch', and for writes too, also of the value that is there already.",
     "awatch byte(ticks)", COMPLETE_EXPRESSION, false, repl_awatch},
    {"delete", "d", "[NUMBER]...", "delete breakpoints by number, or all of them", NULL, "delete 1",
     COMPLETE_BREAKPOINT, false, repl_delete},
    {"info", "i", "TOPIC", "show registers, traps, stats, vm, shadow, tlb, map, devices",
     "info registers       the guest's registers, as it believes them to be\n"
     "info traps [N]       the last N traps (10), a line each\n"
     "info stats           traps by cause, instructions by how they were executed\n"
     "info vm              technique, memory, time, how it stopped\n"
     "info shadow [ADDR]   what the processor's tables have of the guest's\n"
     "info map             the guest's address space\n"
     "info tlb             what stands for the guest's TLB, and how often it was filled\n"
     "info devices [NAME]  pic, pit, uart, rtc, kbc, debug\n"
     "info breakpoints     with how often each was met\n"
     "info vmcb [all]      under hw: the virtual machine control block, and what it intercepts\n"
     "info tu [N]          under bt: the last N translation units\n"
     "info cache           under bt: the code cache, and how its units are chained\n"
     "info snapshots       their names, and how far the history goes\n"
     "info report          what a post-mortem prints: registers, code, stack, walks, traps\n"
     "info symbols [TEXT]  names in the image that contain TEXT",
     "info registers", COMPLETE_INFO, false, repl_info},
    {"print", "p", "[/FORMAT] EXPRESSION", "print the value of an expression",
     "C's operators on registers ($eax, $ax, $al, $cr3), symbols, numbers, and memory: *ADDRESS,\n"
     "dword(ADDRESS), word(), byte(), and phys() at a guest-physical address. /x hexadecimal,\n"
     "/d signed, /u unsigned, /t binary, /c character.",
     "print $esp + 8", COMPLETE_EXPRESSION, false, repl_print},
    {"x", NULL, "[/FORMAT] [ADDRESS]", "examine memory at a linear address",
     "FORMAT is a count, a letter and a size. Letters: x hexadecimal, d signed, u unsigned, o\n"
     "octal, t binary, c character, s string, i instruction. Sizes: b 1, h 2, w 4 bytes. Without\n"
     "ADDRESS, and on an empty line, it goes on.",
     "x/8xw $esp", COMPLETE_EXPRESSION, true, repl_examine},
    {"disassemble", "disas", "[ADDRESS] [COUNT]", "show instructions, from EIP or from ADDRESS",
     NULL, "disassemble kernel_main 20", COMPLETE_EXPRESSION, true, repl_disassemble},
    {"list", "l", "[ADDRESS]", "show the source around EIP, or around ADDRESS",
     "ADDRESS may be FILE:LINE or a function. The guest must have been built with -g, and its\n"
     "sources be where they were, seen from the working folder. On an empty line it goes on.",
     "list console.c:20", COMPLETE_EXPRESSION, true, repl_list},
    {"walk", NULL, "ADDRESS", "walk the page tables for a linear address, bit by bit",
     "The guest's directory and table entry, then, where the technique has them, the VMM's shadow\n"
     "entries, and the machine address below all.",
     "walk $esp", COMPLETE_EXPRESSION, false, repl_walk},
    {"translate", NULL, "[ADDRESS]", "show a unit of the guest's code beside its translation",
     "Under bt: what is identical, inline, a branch (chained or not), a call-out. Without\n"
     "ADDRESS: the unit that begins at EIP. 'info tu' lists the units, 'info cache' sums up.",
     "translate $eip", COMPLETE_EXPRESSION, false, repl_translate},
    {"set", NULL, "PLACE = EXPRESSION", "change a register or memory",
     "PLACE: a register ($eax), *ADDRESS for four bytes, dword(), word(), byte() or phys() of an\n"
     "address.",
     "set $eax = 5", COMPLETE_EXPRESSION, false, repl_set},
    {"technique", NULL, "[NAME]", "start again under another technique; without NAME: list them",
     NULL, "technique bare", COMPLETE_TECHNIQUE, false, repl_technique},
    {"file", NULL, "IMAGE", "load another guest", NULL, "file build/guests/hello.elf",
     COMPLETE_FILE, false, repl_file},
    {"lab", NULL, "[start N [FOLDER] | stop]", "put your modules of a lab in place of the VMM's",
     "Builds the file in FOLDER (the lab's folder here, or here), and starts the guest again with\n"
     "its functions in place. After a change, 'lab start N' again. 'vmm lab list' has the labs.",
     "lab start 3", COMPLETE_NOTHING, false, repl_lab},
    {"add-symbol-file", "symbols", "FILE", "know the symbols of another ELF file, too",
     "A user program's, or those of a kernel whose image has none. They are for addresses that\n"
     "the image has no symbol for, and stay when the guest starts again.",
     "add-symbol-file build/guests/kernel/user.elf", COMPLETE_FILE, false, repl_add_symbols},
    {"type", NULL, "\"TEXT\"", "type TEXT at the guest's console",
     "Between the quotes \\n is Enter, \\t tab, \\e escape, \\\" a quote, \\xNN any byte.\n"
     "The guest reads it when it runs.",
     "type \"help\\n\"", COMPLETE_NOTHING, false, repl_type},
    {"screen", NULL, "", "registers, code, traps, address space and console side by side",
     "Full screen. s step, n next, f finish, t trap, c continue, r run, w why, x the translation\n"
     "of the code at EIP under bt, : any command, ? help, q back to the prompt.\n"
     "'info registers', 'disassemble', 'info traps' and 'info map' print the same.",
     "screen", COMPLETE_NOTHING, false, repl_screen},
    {"trace", NULL, "on [FILE]|off|save FILE", "trace traps: to the screen, or into FILE",
     "'trace on' prints a line for each trap, 'trace on FILE' writes them into FILE: JSON lines\n"
     "if its name ends with .jsonl ('vmm report' reads those), a timeline with .json, text\n"
     "otherwise. 'trace save FILE' writes the last 64 traps as text.",
     "trace on boot.jsonl", COMPLETE_FILE, false, repl_trace},
    {"record", NULL, "FILE.cast|stop", "record this session, for asciinema's player", NULL,
     "record session.cast", COMPLETE_FILE, false, repl_record},
    {"gdbserver", NULL, "[HOST:PORT|unix:PATH]", "let gdb have the guest, until it detaches",
     "Without a place 127.0.0.1:1234, which only this machine reaches; in gdb: target remote\n"
     ":1234. The guest stays as gdb leaves it. ^C ends the waiting.",
     "gdbserver :1234", COMPLETE_NOTHING, false, repl_gdbserver},
    {"echo", NULL, "[TEXT]", "print TEXT; for scripts", NULL, "echo The kernel boots.",
     COMPLETE_NOTHING, false, run_echo},
    {"source", NULL, "FILE", "run the commands in FILE",
     "Ends at the first command that fails. '#' begins a comment line.", "source tour.vmm",
     COMPLETE_FILE, false, run_source},
    {"history", NULL, "[N]", "show the last N lines typed (20)", NULL, "history 5",
     COMPLETE_NOTHING, false, run_history},
    {"help", "h ?", "[COMMAND|TOPIC]", "list commands and topics, or explain one", NULL,
     "help trap", COMPLETE_HELP, false, run_help},
    {"quit", "q exit", "", "end the session", NULL, "quit", COMPLETE_NOTHING, false, run_quit},
};
const size_t repl_command_count = sizeof repl_commands / sizeof *repl_commands;

/* ---- finding one ---- */

static bool abbreviates(const struct repl_command *command, const char *word, size_t length)
{
    const char *at = command->abbreviations;
    while (at && *at) {
        size_t size = strcspn(at, " ");
        if (size == length && strncmp(at, word, length) == 0)
            return true;
        at += size + (at[size] == ' ');
    }
    return strlen(command->name) == length && strncmp(command->name, word, length) == 0;
}

static const char *command_name(void *context, size_t i)
{
    (void)context;
    return i < repl_command_count ? repl_commands[i].name : NULL;
}

static void describe_unknown(const char *word, size_t length, char *why, size_t room)
{
    char typed[32];
    snprintf(typed, sizeof typed, "%.*s", (int)(length < 31 ? length : 31), word);
    for (char *c = typed; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    const char *nearest = nearest_name(typed, command_name, NULL);
    if (nearest)
        snprintf(why, room, "There is no command '%s'; did you mean '%s'?", typed, nearest);
    else
        snprintf(why, room, "There is no command '%s'; 'help' lists them.", typed);
}

/* "'s' could be step, set, source: type more of it." */
static void describe_ambiguous(const char *word, size_t length, char *why, size_t room)
{
    size_t used = 0;
    int n = snprintf(why, room, "'%.*s' could be", (int)length, word);
    used = n > 0 ? (size_t)n : 0;
    const char *separator = " ";
    for (size_t i = 0; i < repl_command_count && used < room; i++) {
        if (strncmp(repl_commands[i].name, word, length) != 0)
            continue;
        n = snprintf(why + used, room - used, "%s%s", separator, repl_commands[i].name);
        used += n > 0 ? (size_t)n : 0;
        separator = ", ";
    }
    if (used < room)
        snprintf(why + used, room - used, "; type more of it.");
}

const struct repl_command *repl_find(const char *word, size_t length, char *why, size_t room)
{
    const struct repl_command *found = NULL;
    unsigned matches = 0;
    for (size_t i = 0; i < repl_command_count; i++) {
        if (abbreviates(&repl_commands[i], word, length))
            return &repl_commands[i];
        if (strncmp(repl_commands[i].name, word, length) == 0) {
            found = &repl_commands[i];
            matches++;
        }
    }
    if (matches == 1)
        return found;
    if (why && matches)
        describe_ambiguous(word, length, why, room);
    else if (why)
        describe_unknown(word, length, why, room);
    return NULL;
}

/* ---- help ---- */

static void help_line(struct session *session, const struct repl_command *command)
{
    enum { WIDTH = 30 };
    char usage[64];
    int length = snprintf(usage, sizeof usage, "%s %s", command->name, command->arguments);
    repl_say(session, "  %s%-*s%s", repl_paint(session, PAINT_PLACE), WIDTH, usage,
             repl_paint(session, PAINT_OFF));
    if (length >= WIDTH) /* two spaces at least are between them */
        repl_say(session, "\n  %*s", WIDTH, "");
    repl_say(session, " %s\n", command->summary);
}

static bool run_help(struct session *session, char *arguments)
{
    char why[256];
    if (!*arguments) {
        for (size_t i = 0; i < repl_command_count; i++)
            help_line(session, &repl_commands[i]);
        repl_say(session, "\nAn unambiguous beginning is enough; an empty line repeats; 'help "
                          "COMMAND' says more.\nTopics:");
        for (size_t i = 0; i < topic_count; i++)
            repl_say(session, " %s", topics[i].name);
        repl_say(session, ".\n");
        return true;
    }
    const struct repl_command *command = repl_find(arguments, strlen(arguments), why, sizeof why);
    const struct topic *topic = topic_find(arguments);
    if (topic && (!command || strcmp(topic->name, arguments) == 0)) {
        repl_say(session, "%s%s%s: %s\n\n%s", repl_paint(session, PAINT_PLACE), topic->name,
                 repl_paint(session, PAINT_OFF), topic->summary, topic->text);
        return true;
    }
    if (!command)
        return repl_complain(session, "%s", why);
    help_line(session, command);
    if (command->help)
        repl_say(session, "\n%s\n", command->help);
    if (command->abbreviations)
        repl_say(session, "\nShorter: %s\n", command->abbreviations);
    repl_say(session, "\nExample: %s\n", command->example);
    return true;
}
