/* The console's tape: between the board and whoever sits at its console. What comes in is kept, by
 * the number of the look that found it: the guest's serial port looks for input at times that
 * virtual time alone decides, so that a run that is repeated from an earlier state finds the same
 * characters at the same looks. What goes out again in such a run has been seen, and is dropped. */
#ifndef VMM_VM_TAPE_H
#define VMM_VM_TAPE_H

#include "machine/board.h"
#include "vmm/vm.h"

struct tape {
    struct vmm_console console;
    const struct clock *clock;
    bool keeps;      /* input is kept: looks come at the same times again */
    uint64_t looks;  /* for input, so far */
    uint64_t looked; /* the most there were: those before are answered from the tape */
    uint64_t shown;  /* output before this time was seen */
    bool quiet;      /* so was all that comes now */
    struct tape_input {
        uint64_t look, time;
        uint8_t byte;
    } * inputs;
    size_t count, room;
};

/* Puts the tape between a board with `clock` and `console`. Returns what the board is to use. */
struct board_console tape_start(struct tape *tape, const struct vmm_console *console,
                                const struct clock *clock, bool keeps);
void tape_free(struct tape *tape);

/* The guest has run until `time`. */
void tape_reached(struct tape *tape, uint64_t time);

/* After the state has been set back to one in which `looks` were made. */
void tape_rewind(struct tape *tape, uint64_t looks);

/* What comes after the first `looks`, and after `time`, is forgotten: it will be otherwise. */
void tape_cut(struct tape *tape, uint64_t looks, uint64_t time);

#endif
