/* How the architecture's algorithms reach guest memory: through one accessor that gives a pointer
 * to a guest-physical page, or says that the page is not at hand. An algorithm that needs a page
 * that is not at hand changes nothing, returns X86_NEED_PAGE and is run again from its start once
 * somebody has supplied it; it never calls back into whoever supplies pages. */
#ifndef VMM_ARCH_X86_MEMORY_H
#define VMM_ARCH_X86_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "state.h"

#define X86_PAGE_SIZE 4096u
#define X86_PAGE_MASK 0xfffff000u

/* Guest-physical memory as one processor sees it. */
struct x86_memory {
    void *context;
    /* The host address of the guest-physical page that holds `physical`, for reading, or for
     * writing too if `write`; NULL if the page is not at hand. Always succeeds on a bare machine,
     * where an address without memory reads as ones and ignores writes. The pointer is good until
     * the next call. With `write` the owner takes the page as changed (translated code is dropped).
     */
    uint8_t *(*page)(void *context, uint32_t physical, bool write);
};

/* What an algorithm of the architecture came to. */
enum x86_status {
    X86_OK,
    X86_FAULT,     /* an exception, described in a struct x86_event; no state was changed */
    X86_NEED_PAGE, /* a page is not at hand, see x86_memory; no state was changed */
    X86_SHUTDOWN,  /* a triple fault */
};

/* An event that is delivered through the IDT. */
enum x86_event_kind {
    X86_EXCEPTION,          /* raised by the processor: gate DPL is not checked */
    X86_SOFTWARE_INTERRUPT, /* INT n, INT3, INTO: the gate's DPL must be >= CPL */
    X86_EXTERNAL_INTERRUPT, /* from the interrupt controller: sets EXT in nested error codes */
};

struct x86_event {
    enum x86_event_kind kind;
    uint8_t vector;
    bool has_error_code;
    uint32_t error_code;
    uint32_t cr2; /* the faulting linear address, for vector 14 */
    /* For X86_SOFTWARE_INTERRUPT: length of the instruction in bytes; state.eip is its address, and
     * the return address that is pushed lies behind it. A fault in delivery leaves EIP at it. */
    uint8_t length;
    bool step; /* X86_DB of the single step: it sets DR6.BS */
};

#endif
