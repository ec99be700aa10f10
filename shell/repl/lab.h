/* The modules of a lab's student on the guest at the prompt. */
#ifndef SHELL_REPL_LAB_H
#define SHELL_REPL_LAB_H

#include "shell/repl/repl.h"

struct repl_lab;

/* Puts the modules of `session->lab`, if there is one, into the new guest. False after a sentence.
 */
bool repl_lab_install(struct session *session);

/* Says it if a module has crashed. */
void repl_lab_report(struct session *session);

/* Forgets the lab; the guest that has its modules must not run any more. */
void repl_lab_end(struct session *session);

#endif
