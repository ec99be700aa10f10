/* A kernel whose glue a student wrote, and what is seen of it from outside: what it asks of the
 * VMM, what it prints, and what its user programs do. The same is seen of the kernel for the bare
 * machine, where there is no glue; so that one says what the other has to do. Here the student's
 * code is a guest: it shares no process with anybody, and what this file notes is to be believed.
 */
#ifndef LABS_GRADER_KERNEL_H
#define LABS_GRADER_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <vmm/hypercall.h>
#include <vmm/vmm.h>

enum {
    KERNEL_MEMORY = 8 << 20, /* bytes of the guest */
    KERNEL_FILE = 1 << 20,   /* bytes of an image at most */
    KERNEL_CONSOLE = 16384,  /* bytes of its console that are kept */
    KERNEL_FLOOD = 4 << 20,  /* bytes of it at most: the run ends; looked at from ... */
    KERNEL_STRIDE = 10000,   /* ... time to time, in instructions */
    KERNEL_MARKS = 256,      /* writes to it that are */
    KERNEL_WAIT = 7,         /* the system call whose argument is a pid, which the timer decides */
    KERNEL_CALLS = 12        /* hypercalls by number, and behind them all others */
};

/* What a run is asked for; the image is behind it. */
struct kernel_work {
    char line[128], typed[96]; /* what is typed once there is a '?' on the console */
    uint64_t limit;            /* guest instructions */
    uint32_t size;             /* of the image */
};

/* Where something happened. */
struct kernel_place {
    uint64_t instructions; /* retired before it */
    uint32_t eip;
    char symbol[48], text[48]; /* "put+0x12", "hlt" */
};

struct kernel_evidence {
    uint64_t nonce;
    uint32_t stop, exit_code;
    char sentence[200]; /* why it stopped */
    struct kernel_place end;
    uint32_t calls[KERNEL_CALLS];
    uint32_t updates, largest; /* of page tables: all, in one batch */
    uint32_t refused;          /* hypercalls, and the first of them */
    struct kernel_place refusal;
    uint32_t refused_call;
    int32_t refused_error;
    uint32_t made_before;   /* updates of its batch */
    uint32_t after_refusal; /* calls behind it that do not end the run */
    uint32_t privileged;    /* instructions of the kernel that trapped */
    struct kernel_place privilege;
    uint32_t unmasked; /* handlers entered with events let through */
    struct kernel_place opening;
    uint32_t events;                  /* that had a handler: of the timer, of the console */
    uint32_t paging;                  /* is on at the end */
    uint32_t user_calls, user_faults; /* in ring 3 */
    uint64_t user_sum;                /* over what they were, in any order */
    uint32_t length;                  /* bytes on the console */
    uint64_t hash;                    /* of all of them */
    uint32_t mark_count;
    struct kernel_mark {
        uint32_t offset, eip; /* the first byte of a write, and who called */
        uint64_t instructions;
    } marks[KERNEL_MARKS];
    char console[KERNEL_CONSOLE];
};

struct kernel_run {
    struct vmm_vm *vm;
    const struct kernel_work *work;
    struct kernel_evidence *evidence;
    uint32_t shared;   /* guest-physical address of the shared page; 0: none yet */
    uint32_t marked;   /* bytes of the console that have a mark */
    uint32_t typed_at; /* of the input */
};

static const char *const kernel_call_names[KERNEL_CALLS] = {
    "attach", "console_write", "console_read", "set_gdt",  "set_traps", "mmu",
    "iret",   "yield",         "set_timer",    "shutdown", "events",    "others"};

/* ---- the console ---- */

static inline void kernel_output(void *context, const uint8_t *bytes, size_t count)
{
    struct kernel_evidence *e = ((struct kernel_run *)context)->evidence;
    for (size_t i = 0; i < count && e->length < KERNEL_FLOOD; i++) {
        if (e->length < KERNEL_CONSOLE)
            e->console[e->length] = (char)bytes[i];
        e->length++;
        e->hash = (e->hash ^ bytes[i]) * 0x100000001b3u;
    }
}

/* Nobody types before he is asked. */
static inline size_t kernel_input(void *context, uint8_t *bytes, size_t room)
{
    struct kernel_run *run = context;
    const struct kernel_evidence *e = run->evidence;
    const uint32_t kept = e->length < KERNEL_CONSOLE ? e->length : KERNEL_CONSOLE;
    size_t count = 0;
    if (!memchr(e->console, '?', kept))
        return 0;
    while (count < room && run->work->typed[run->typed_at])
        bytes[count++] = (uint8_t)run->work->typed[run->typed_at++];
    return count;
}

/* ---- records ---- */

static inline void kernel_note(const struct kernel_run *run, const struct vmm_record *record,
                               uint32_t *count, struct kernel_place *place)
{
    if ((*count)++)
        return;
    *place = (struct kernel_place){.instructions = record->instructions, .eip = record->eip};
    vmm_symbol_text(run->vm, record->linear, place->symbol, sizeof place->symbol);
    vmm_disassemble(record->bytes, record->length, record->linear, record->code16, place->text,
                    sizeof place->text);
}

static inline uint32_t kernel_call_number(const char *routine)
{
    uint32_t number = 0;
    while (number < KERNEL_CALLS - 1 &&
           !(routine && strcmp(kernel_call_names[number], routine) == 0))
        number++;
    return number;
}

static inline void kernel_mark(struct kernel_run *run, const struct vmm_record *record)
{
    struct kernel_evidence *e = run->evidence;
    if (e->mark_count < KERNEL_MARKS && e->length > run->marked)
        e->marks[e->mark_count++] =
            (struct kernel_mark){run->marked, record->eip, record->instructions};
    run->marked = e->length;
}

static inline void kernel_hypercall(struct kernel_run *run, const struct vmm_record *record)
{
    struct kernel_evidence *e = run->evidence;
    const uint32_t number = kernel_call_number(record->routine);
    struct vmm_registers r;
    vmm_registers(run->vm, &r);
    e->calls[number]++;
    if (e->refused && number != VMM_HC_CONSOLE_WRITE && number != VMM_HC_SHUTDOWN &&
        number != VMM_HC_EVENTS)
        e->after_refusal++;
    if (record->outcome && strcmp(record->outcome, "refused") == 0) {
        kernel_note(run, record, &e->refused, &e->refusal);
        if (e->refused == 1) {
            e->refused_call = number;
            e->refused_error = (int32_t)r.gpr[0];
            e->made_before = number == VMM_HC_MMU ? r.gpr[1] : 0;
        }
    } else if (number == VMM_HC_ATTACH) {
        run->shared = r.gpr[3];
    }
    if (number == VMM_HC_CONSOLE_WRITE)
        kernel_mark(run, record);
    if (number == VMM_HC_MMU) {
        e->updates += r.gpr[1];
        if (r.gpr[1] > e->largest)
            e->largest = r.gpr[1];
    }
}

static inline uint64_t kernel_mix(uint64_t sum, uint32_t value)
{
    sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
    return sum ^ sum >> 29;
}

/* System calls and page faults of the user programs. In which order those of several processes
 * come, the timer decides. */
static inline void kernel_user(struct kernel_run *run, const struct vmm_record *record)
{
    struct kernel_evidence *e = run->evidence;
    uint64_t sum = kernel_mix(record->vector, record->eip);
    struct vmm_registers r;
    if (record->vector == 0x80) {
        vmm_registers(run->vm, &r);
        sum = kernel_mix(kernel_mix(sum, r.gpr[0]), r.gpr[0] == KERNEL_WAIT ? 0 : r.gpr[3]);
        sum = kernel_mix(kernel_mix(sum, r.gpr[1]), r.gpr[2]);
        e->user_calls++;
    } else if (record->vector == 14) {
        sum = kernel_mix(kernel_mix(sum, record->address), record->error_code);
        e->user_faults++;
    } else {
        return;
    }
    e->user_sum += sum;
}

/* What may trap in a kernel that has nothing privileged in it. */
static inline bool kernel_may_trap(const struct vmm_record *record)
{
    static const char *const causes[] = {"hypercall",    "interrupt",  "software_interrupt",
                                         "hidden_fault", "true_fault", "cpuid",
                                         "rdtsc"};
    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (strcmp(record->cause, causes[i]) == 0)
            return true;
    return strcmp(record->cause, "exception") == 0 && record->vector != 13;
}

static inline void kernel_observe(void *context, const struct vmm_record *record)
{
    struct kernel_run *run = context;
    struct kernel_evidence *e = run->evidence;
    uint32_t events_on = 0;
    if (record->ring == 3 && record->has_vector)
        kernel_user(run, record);
    if (strcmp(record->cause, "hypercall") == 0)
        kernel_hypercall(run, record);
    else if (record->ring != 3 && !kernel_may_trap(record))
        kernel_note(run, record, &e->privileged, &e->privilege);
    if (!record->injected)
        return;
    if (run->shared && vmm_read_physical(run->vm, run->shared, &events_on, 4) == 4 && events_on)
        kernel_note(run, record, &e->unmasked, &e->opening);
}

/* ---- a run ---- */

/* Creates the machine; nothing of the image is looked at. NULL with `error` set. */
static inline struct vmm_vm *kernel_create(struct kernel_run *run, const char *technique,
                                           struct vmm_error *error)
{
    const struct vmm_config config = {
        .technique = technique,
        .memory_size = KERNEL_MEMORY,
        .console = {.context = run, .output = kernel_output, .input = kernel_input}};
    run->evidence->hash = 0xcbf29ce484222325u;
    return run->vm = vmm_create(&config, error);
}

/* Loads the image and runs it to its end. False with `error` set if it cannot be loaded. */
static inline bool kernel_boot(struct kernel_run *run, const uint8_t *image,
                               struct vmm_error *error)
{
    struct kernel_evidence *e = run->evidence;
    const struct vmm_image what = {.kind = "multiboot",
                                   .file = {.bytes = image, .size = run->work->size},
                                   .cmdline = run->work->line};
    struct vmm_statistics statistics;
    struct vmm_registers r;
    if (vmm_load(run->vm, &what, error) != VMM_OK)
        return false;
    vmm_watch(run->vm, kernel_observe, run);
    do {
        e->stop = vmm_run(run->vm, KERNEL_STRIDE);
        vmm_statistics(run->vm, &statistics);
    } while (e->stop == VMM_STOP_LIMIT && e->length < KERNEL_FLOOD &&
             statistics.guest_instructions < run->work->limit);
    vmm_registers(run->vm, &r);
    e->exit_code = statistics.exit_code;
    e->events = (uint32_t)statistics.interrupts;
    e->paging = r.cr0 >> 31;
    e->end = (struct kernel_place){.instructions = statistics.guest_instructions, .eip = r.eip};
    vmm_symbol_text(run->vm, r.segment_base[1] + r.eip, e->end.symbol, sizeof e->end.symbol);
    snprintf(e->sentence, sizeof e->sentence, "%s", vmm_stop_text(run->vm));
    return true;
}

#endif
