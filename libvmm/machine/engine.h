/* The engine: the one place that drives Unicorn. It executes guest instructions for ever in SVM
 * guest mode, with nested page tables of our own beneath the guest's paging, every exception
 * intercepted; what happens is reported by calls out of the running engine (struct engine_calls),
 * and the processor's state is read and written as a whole through the calibrated save block. What
 * the engine gets wrong, and what the layers above do about it, is docs/engine-deviations.md. */
#ifndef VMM_MACHINE_ENGINE_H
#define VMM_MACHINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86/state.h"
#include "machine/memory.h"
#include "machine/nesting.h"

/* Bytes of translated code that the engine has room for. It does not survive a full buffer: whoever
 * runs it flushes in time (machine/blocks.c), by the addresses that block calls come from. */
#define ENGINE_CODE_BUFFER (128u << 20)

struct engine;

/* Calls out of the running engine. In all of them general registers, CPL and the system bits of
 * EFLAGS are the guest's; EIP is exact only in `exit` and `site`. */
struct engine_calls {
    void *context;
    /* A translated block is about to execute: `size` bytes at linear address `pc`. The hottest call
     * there is, made without detour: `engine` is the engine's own handle and of no use. */
    void (*block)(void *engine, uint64_t pc, uint32_t size, void *context);
    /* An intercepted event (enum svm_exit); engine_load gives the exact state. */
    void (*exit)(void *context, uint32_t code);
    uint32_t (*in)(void *context, uint16_t port, unsigned size);
    void (*out)(void *context, uint16_t port, unsigned size, uint32_t value);
    /* The instruction at `pc`, which engine_site_add marked, is about to execute. */
    void (*site)(void *context, uint32_t pc);
};

/* Opens an engine over `memory`, in real mode state, not yet running. Returns NULL with one
 * sentence in `why` if the host refuses, or the engine is not one that can be trusted. */
struct engine *engine_open(struct memory *memory, const struct engine_calls *calls, char *why,
                           size_t room);
void engine_close(struct engine *engine);

/* Executes from EIP (as stored last) until engine_stop, or an engine failure (returns false; `text`
 * of the failure by engine_failure). */
bool engine_run(struct engine *engine);
const char *engine_failure(const struct engine *engine);

/* Stops: in `block` before that block, in `site` before that instruction, in `exit` at once; in a
 * port call only at the end of the block. */
void engine_stop(struct engine *engine);

/* Copies the processor's state out of the engine, and back into it. engine_store takes effect at
 * once in `exit`, otherwise at the next engine_run. Paging changes flush the TLB. */
void engine_load(struct engine *engine, struct cpu_state *state);
void engine_store(struct engine *engine, const struct cpu_state *state);

/* For an intercepted instruction that only writes EAX and EDX, a fraction of the work:
 * engine_glance looks at what it may depend on, engine_step_over does it, and goes on at `eip`. No
 * other state may have been stored in between. */
struct engine_glance {
    uint32_t eip, cs_base, cr4;
    uint16_t cs;
    uint8_t cpl;
    bool traps; /* EFLAGS.TF */
};
void engine_glance(struct engine *engine, struct engine_glance *glance);
void engine_step_over(struct engine *engine, uint32_t eip, uint32_t eax, uint32_t edx);

/* Of the exit being handled: the exception's error code, and the faulting address: CR2 for a page
 * fault, the physical address for a nested fault. */
uint32_t engine_error_code(const struct engine *engine);
uint32_t engine_fault_address(const struct engine *engine);

/* Single registers, cheap enough for the port and block calls. */
uint32_t engine_eflags(struct engine *engine);
uint32_t engine_gpr(struct engine *engine, enum x86_gpr number);
uint16_t engine_cs(struct engine *engine);
void engine_paging(struct engine *engine, uint32_t *cr0, uint32_t *cr3, uint32_t *cr4);

/* The parts of the floating-point and vector state that are looked at from outside. */
struct engine_float {
    uint16_t status, control;
    uint64_t st0[2], xmm0[2]; /* low half first */
};
void engine_float_get(struct engine *engine, struct engine_float *f);

/* Translations of guest addresses: all forgotten. Needed whenever rights are taken away. */
void engine_flush_tlb(struct engine *engine);

/* Translated code: all of it (only between runs), or that from `size` bytes at machine address
 * `machine`, within one frame; `linear` is the address under which the current tables map them, or
 * `mapped` is false. */
void engine_flush_code(struct engine *engine);
void engine_drop_code(struct engine *engine, uint32_t machine, uint32_t size, uint32_t linear,
                      bool mapped);

/* Marks the instruction at linear address `pc`; its block must be dropped for the mark to be seen.
 * Returns a handle for engine_site_remove; 0 if the host refuses. */
size_t engine_site_add(struct engine *engine, uint32_t pc);
void engine_site_remove(struct engine *engine, size_t site);

/* The nested tables that it walks. */
struct nesting *engine_nesting(struct engine *engine);

/* Whether every access to a model-specific register still is an exit. */
bool engine_guards_msrs(const struct engine *engine);

/* Rights in them for one machine frame. Adding needs no flush, removing does. */
void engine_protect(struct engine *engine, uint32_t frame, bool writable);
bool engine_writable(struct engine *engine, uint32_t frame);

/* The whole processor, floating point included, for switching between virtual machines. */
struct engine_image;
struct engine_image *engine_image_new(struct engine *engine);
void engine_image_free(struct engine_image *image);
void engine_image_save(struct engine *engine, struct engine_image *image);
void engine_image_restore(struct engine *engine, const struct engine_image *image);

#endif
