/* x86-32 is classified on the machine layer's corrected behaviour; this is the seam. */
#ifndef VMM_CLASSIFY_X86_MACHINE_H
#define VMM_CLASSIFY_X86_MACHINE_H

#include <stdbool.h>

struct probe;
struct observation;

/* Hooks the ports of the engine, so that each access is checked. False: the engine refused. */
bool x86_machine_attach(struct probe *probe);

/* Turns what the engine did with a software interrupt or a refused port access into what the
 * manual says: a delivery through the gate, or a trap. */
void x86_machine_settle(struct probe *probe, struct observation *seen);

#endif
