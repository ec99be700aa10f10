/* The console's tape. See tape.h. */
#include "tape.h"

#include <stdlib.h>
#include <string.h>

static void on_output(void *context, const uint8_t *bytes, size_t count)
{
    struct tape *tape = context;
    if (!tape->quiet && tape->clock->now >= tape->shown)
        tape->console.output(tape->console.context, bytes, count);
}

/* The first of those that look number `look` or a later one found. */
static size_t find(const struct tape *tape, uint64_t look)
{
    size_t low = 0, high = tape->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tape->inputs[middle].look < look)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has_room(struct tape *tape)
{
    if (tape->count < tape->room)
        return true;
    size_t room = tape->room ? 2 * tape->room : 64;
    struct tape_input *inputs = realloc(tape->inputs, room * sizeof *inputs);
    if (!inputs)
        return false;
    tape->inputs = inputs;
    tape->room = room;
    return true;
}

static size_t from_tape(const struct tape *tape, uint64_t look, uint8_t *byte)
{
    size_t i = find(tape, look);
    if (i == tape->count || tape->inputs[i].look != look)
        return 0;
    *byte = tape->inputs[i].byte;
    return 1;
}

/* One character a look is what the serial port asks for. Without room for it on the tape it has to
 * wait outside. */
static size_t on_input(void *context, uint8_t *bytes, size_t room)
{
    struct tape *tape = context;
    if (!room)
        return 0;
    if (!tape->keeps)
        return tape->console.input(tape->console.context, bytes, room);
    uint64_t look = tape->looks++;
    if (look < tape->looked)
        return from_tape(tape, look, bytes);
    tape->looked = tape->looks;
    if (!has_room(tape) || tape->console.input(tape->console.context, bytes, 1) != 1)
        return 0;
    tape->inputs[tape->count++] = (struct tape_input){look, tape->clock->now, *bytes};
    return 1;
}

struct board_console tape_start(struct tape *tape, const struct vmm_console *console,
                                const struct clock *clock, bool keeps)
{
    *tape = (struct tape){.console = *console, .clock = clock, .keeps = keeps};
    return (struct board_console){.context = tape,
                                  .output = console->output ? on_output : 0,
                                  .input = console->input ? on_input : 0};
}

void tape_free(struct tape *tape)
{
    free(tape->inputs);
    *tape = (struct tape){0};
}

void tape_reached(struct tape *tape, uint64_t time)
{
    if (tape->keeps && time > tape->shown)
        tape->shown = time;
}

void tape_rewind(struct tape *tape, uint64_t looks)
{
    tape->looks = looks;
}

void tape_cut(struct tape *tape, uint64_t looks, uint64_t time)
{
    if (looks < tape->looked) {
        tape->looked = looks;
        tape->count = find(tape, looks);
    }
    if (time < tape->shown)
        tape->shown = time;
}
