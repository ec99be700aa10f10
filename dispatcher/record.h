/* Records of traps: what the dispatcher writes down of each, for people who watch and for the
 * statistics. One record is open at a time, from the trap until the guest runs on. */
#ifndef DISPATCHER_RECORD_H
#define DISPATCHER_RECORD_H

#include "arch/x86/decode.h"
#include "machine/cpu.h"
#include "machine/vmcb.h"
#include "vmm/record.h"

/* What traps, for the statistics; an instruction that trapped is counted by its kind, behind. */
enum trap_cause {
    TRAP_EXCEPTION,
    TRAP_SOFTWARE_INTERRUPT,
    TRAP_INTERRUPT,
    TRAP_HIDDEN_FAULT,
    TRAP_TRUE_FAULT,
    TRAP_TABLE_WRITE,      /* a write to a traced page table */
    TRAP_TABLE_CALL_OUT,   /* the same in translated code that knows it from before, and calls */
    TRAP_DESCRIPTOR_WRITE, /* a write to a traced descriptor table */
    TRAP_DEVICE_MEMORY,    /* an access where there is no memory */
    TRAP_HYPERCALL,        /* a paravirtual guest asks */
    TRAP_SILENT,           /* a sensitive instruction that the processor does not trap */
    TRAP_CHAIN,            /* a branch of translated code that was not chained yet */
    TRAP_MISS,             /* an indirect branch of translated code that found no unit */
    TRAP_INSTRUCTION,      /* + enum x86_kind */
    TRAP_VMEXIT = TRAP_INSTRUCTION + X86_KINDS, /* + enum vmcb_exit */
    TRAP_CAUSES = TRAP_VMEXIT + VMCB_EXITS
};

/* Of one VM. */
struct recorder {
    struct vmm_record kept[VMM_RECORDS_KEPT]; /* by sequence, modulo */
    struct vmm_record *open;                  /* NULL between traps */
    unsigned cause, steps;                    /* of the open record */
    uint64_t begun;                           /* host ticks, at its trap */
    struct cpu_state before;                  /* at its trap, if there is a sink */
    uint64_t count;                           /* records so far */
    uint64_t deliveries; /* events that the guest got so far: the same under every technique */
    void (*sink)(void *context, const struct vmm_record *record);
    void *sink_context;
    /* Whether the guest is to stop behind the trap of this record; NULL: it is not. */
    bool (*stop)(void *context, const struct vmm_record *record);
    void *stop_context;
    bool stopped; /* `stop` said so since the run began */
    struct {
        uint64_t count, ticks;
    } causes[TRAP_CAUSES];
    unsigned vm;
    uint64_t born_ticks, born_nanoseconds;
    uint64_t measured, measure_age; /* what 2^20 ticks are worth; when to measure it again */
};

void record_init(struct recorder *recorder, unsigned vm);

/* Whether somebody wants records with all details: the bytes of the instruction, what changed. */
bool record_watched(const struct recorder *recorder);

/* Opens the record of a trap of the guest whose state is `guest`. */
void record_begin(struct recorder *recorder, const struct cpu_state *guest, uint64_t time,
                  uint64_t instructions);

/* What the open record is of: an enum trap_cause, or TRAP_INSTRUCTION + an enum x86_kind. */
void record_cause(struct recorder *recorder, unsigned cause);

/* It came as a #VMEXIT: an enum vmcb_exit, EXITINFO1 and EXITINFO2. */
void record_exit(struct recorder *recorder, unsigned code, uint64_t info1, uint64_t info2);

/* From here on to record_injected: of the open record; nothing happens if there is none, for what
 * the hardware does is no trap. What the processor raised. */
void record_event(struct recorder *recorder, const struct x86_event *event);

/* What it is about: a linear address, or a port. */
void record_address(struct recorder *recorder, uint32_t address);

/* The instruction that trapped. */
void record_bytes(struct recorder *recorder, const uint8_t *bytes, unsigned length);

/* The next room that the trap passes through: 'D', 'A' or 'I'. No more than four. */
void record_step(struct recorder *recorder, char room);

/* Who handled it, and what it came to. Static strings. */
void record_result(struct recorder *recorder, const char *routine, const char *outcome);

/* The guest is given an exception or interrupt. */
void record_injected(struct recorder *recorder, uint8_t vector);

/* Closes the open record, counts it and shows it to the sink. `guest` is the state in which the
 * guest runs on. */
void record_end(struct recorder *recorder, const struct cpu_state *guest);

/* Copies the record that is `back` traps old; false if it is not kept. */
bool record_copy(const struct recorder *recorder, unsigned back, struct vmm_record *record);

/* The name of a cause. Static string. */
const char *record_cause_name(unsigned cause);

/* What `ticks` of the host's counter are in nanoseconds. */
uint64_t record_nanoseconds(const struct recorder *recorder, uint64_t ticks);

#endif
