/* One handler for the life of the session. Outside of a run and of the prompt, that is in a script
 * or a pipe, ^C ends the program as it ends any other. */
#include "shell/repl/signals.h"

#include <vmm/vm.h>

#include <readline/readline.h>
#include <signal.h>
#include <stdio.h>

static struct vmm_vm *volatile running;
static volatile sig_atomic_t prompting, cleared;

static void interrupted(int number)
{
    if (running) {
        vmm_interrupt(running);
    } else if (prompting) {
        cleared = 1;
    } else {
        signal(number, SIG_DFL);
        raise(number);
    }
}

static void install(void)
{
    struct sigaction action = {.sa_handler = interrupted};
    sigaction(SIGINT, &action, NULL);
}

/* Called by readline ten times a second while it waits for a key: it takes note of rl_done only
 * there. */
static int clear_line(void)
{
    if (!cleared)
        return 0;
    rl_replace_line("", 0);
    rl_done = 1;
    return 0;
}

void signals_run(struct vmm_vm *vm)
{
    prompting = 0;
    running = vm;
    install();
}

void signals_at_prompt(void)
{
    prompting = 1;
    cleared = 0;
    rl_event_hook = clear_line;
    install();
}

bool signals_line_cleared(void)
{
    prompting = 0;
    return cleared;
}
