/* The one guest instruction with which the engine ends the host's process: IDIV of the most
 * negative dividend by -1. Its helper divides with the host's own instruction, whose trap nobody
 * expects. */
#ifndef VMM_MACHINE_DIVIDE_H
#define VMM_MACHINE_DIVIDE_H

#include <stdbool.h>

/* Around the engine's running in this thread. While it is on such a division comes to a quotient
 * that does not fit, which the engine then reports to the guest as #DE (SDM volume 2, IDIV). The
 * first call installs a handler of SIGFPE, which passes everything else on to the one before. */
void divide_guard(bool on);

#endif
