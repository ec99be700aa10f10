/* The texts of topics. They say in a screen what docs/ says in a chapter. */
#include "shell/topics.h"

#include <string.h>

const struct topic topics[] = {
    {"traps", "what a trap is, and how the line about one is read",
     "A trap takes control from the guest: the processor enters the VMM, which finds\n"
     "out why, does what is to be done, and lets the guest go on. One line tells it:\n"
     "\n"
     "  Trap 18: [vm0 ring0] 0x00100433 <console_write+0x13> cli = #GP(0x0)\n"
     "           -> D-I cli: done; eip 0x100433->0x100434\n"
     "\n"
     "  vm0 ring0    which virtual machine, and the ring that the guest believes in\n"
     "  0x... <...>  the instruction's address, and the symbol of the image\n"
     "  cli          the instruction\n"
     "  = #GP(0x0)   what the processor raised: vector and error code\n"
     "  -> D-I       the rooms it walked through: dispatcher, interpreter, allocator\n"
     "  cli: done    who handled it, and what it came to\n"
     "  eip ...      what changed for the guest\n"
     "\n"
     "'trap' runs to the next, 'trap CAUSE' to one of a kind, 'info traps' lists the\n"
     "last, 'why' explains one, 'info stats' counts them.\n"},
    {"techniques", "how a guest's supervisor code can be executed",
     "  bare    the machine itself, no VMM: what all others are measured against\n"
     "  trap    ring compression: direct at ring 1, privileged instructions trap and\n"
     "          are simulated; on x86 some sensitive ones do not trap (try 'redpill')\n"
     "  hybrid  supervisor code interpreted, user code direct (Theorem 3's VMM)\n"
     "  interp  every instruction interpreted\n"
     "  patch   sensitive unprivileged instructions are made to trap in place\n"
     "  bt      supervisor code is translated into a code cache\n"
     "  hw      the processor helps: guest mode, intercepts, nested paging (SVM, VT-x)\n"
     "  para    the guest knows, and calls the VMM\n"
     "\n"
     "'technique' at the prompt lists those that this build has, 'technique NAME' starts\n"
     "the guest again under one; 'vmm compare IMAGE' shows them side by side.\n"},
    {"expressions", "what can be computed at the prompt",
     "C's operators on unsigned 32-bit numbers:\n"
     "\n"
     "  $eax $ax $al $eip $cr3 $cpl  registers and their parts (more: 'info registers')\n"
     "  kernel_main                  a symbol of the guest's image: its address\n"
     "  42 0x2a 052 'A'              numbers and characters\n"
     "  *($esp + 4)                  four bytes at a linear address\n"
     "  dword(A) word(A) byte(A)     4, 2 and 1 bytes at a linear address\n"
     "  phys(A)                      four bytes at a guest-physical address\n"
     "  ||  &&  |  ^  &  ==  !=  <  <=  >  >=  <<  >>  +  -  *  /  %  and  ! ~ -\n"
     "\n"
     "They work in print, x, break (also behind 'if'), walk, set and disassemble.\n"
     "  break do_page_fault if $cr2 < 0x1000\n"},
    {"formats", "how x and print show values",
     "x/COUNT LETTER SIZE ADDRESS, such as x/8xw $esp; print /LETTER EXPRESSION.\n"
     "\n"
     "  letters  x hexadecimal, d signed, u unsigned, o octal, t binary, c character,\n"
     "           s string, i instruction\n"
     "  sizes    b 1, h 2, w 4 bytes\n"
     "\n"
     "Count and format stay for the next x; an empty line goes on behind what was shown.\n"},
    {"classes", "Popek and Goldberg's classes of instructions",
     "Of an instruction, by what it does (CACM 17(7), 1974):\n"
     "\n"
     "  privileged           traps in user mode, does not trap in supervisor mode\n"
     "  control sensitive    tries to change the mode or a resource without trapping\n"
     "  behaviour sensitive  its result depends on the mode (mode sensitive) or on where\n"
     "                       resources lie (location sensitive)\n"
     "  innocuous            not sensitive\n"
     "\n"
     "Theorem 1: a VMM can be built if every sensitive instruction is privileged. The\n"
     "x86 has some that are not: POPF, SGDT, SIDT, SLDT, SMSW, PUSHF, LAR, LSL, STR, VERR,\n"
     "MOV from CS, CALL far and others. 'vmm classify --all' finds them by experiment,\n"
     "'classify popf' shows one at the prompt.\n"},
    {"files", "what vmm reads and writes",
     "  an image              Multiboot ELF, Linux bzImage, boot sector, flat binary\n"
     "  --trace F.jsonl       a record a trap, as JSON (vmm report reads it)\n"
     "  --trace F.json        the same as a timeline, for ui.perfetto.dev\n"
     "  --trace F.txt         the same for people and for diff\n"
     "  --stats=F             counts and costs; --core F: an ELF core for gdb\n"
     "  ~/.vmmrc              commands that the prompt runs at its start\n"
     "  ~/.local/state/vmm/history  the lines that were typed (XDG_STATE_HOME moves it)\n"
     "  -x SCRIPT             commands for 'vmm debug', a line each; # begins a comment\n"
     "  record F.cast         a session, for asciinema's player\n"},
    {"keys", "keys at the prompt, and of the guest",
     "  Tab                   completes commands, causes, registers, symbols, files\n"
     "  empty line            repeats step, next, trap, continue; x goes on\n"
     "  Up, Ctrl-R            lines typed before, in earlier sessions too\n"
     "  Ctrl-C                stops the guest, or clears the line; never ends the session\n"
     "  Ctrl-D                ends it, as quit does\n"
     "\n"
     "What a guest is to read is typed with: type \"text\\n\"\n"},
    {"status", "with what status vmm ends",
     "  0  success; of run: the guest asked for a reset, or halted for ever\n"
     "  1  failure; of run: a triple fault, a limit, a divergence, no progress\n"
     "  2  the command line is wrong; one sentence says what and how to mend it\n"
     "\n"
     "A guest ends by itself with a write to port 0xF4: value v makes the status of run\n"
     "(v << 1 | 1) modulo 256.\n"},
};
const size_t topic_count = sizeof topics / sizeof *topics;

const struct topic *topic_find(const char *name)
{
    const struct topic *found = NULL;
    size_t length = strlen(name);
    for (size_t i = 0; i < topic_count; i++) {
        if (strncmp(topics[i].name, name, length) != 0)
            continue;
        if (!topics[i].name[length])
            return &topics[i];
        if (found)
            return NULL;
        found = &topics[i];
    }
    return length ? found : NULL;
}
