/* ^C in a session: it stops the guest while one runs, and clears the line at the prompt. */
#ifndef SHELL_REPL_SIGNALS_H
#define SHELL_REPL_SIGNALS_H

#include <stdbool.h>

struct vmm_vm;

/* From now on ^C stops `vm`; NULL: no guest runs. */
void signals_run(struct vmm_vm *vm);

/* Before readline: ^C makes it return a line that signals_line_cleared is true of. */
void signals_at_prompt(void);
bool signals_line_cleared(void);

#endif
