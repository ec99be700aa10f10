/* What the process that runs a student's module tells the scorer: the state of the virtual machine
 * after each instruction, and nothing that is a verdict. The scorer computes the same with the
 * library's own modules, in a process that never loads a student's code, and compares. Guests are
 * given random numbers after the module was built, so that no state is known beforehand. */
#ifndef LABS_GRADER_EVIDENCE_H
#define LABS_GRADER_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <vmm/vmm.h>

enum {
    LAB_CHANNEL = 3,            /* the file descriptor that evidence goes to */
    LAB_STACK = 6,              /* words: what the delivery of an event pushes at most */
    LAB_STEPS = 400,            /* instructions a guest of a lab may take */
    LAB_KERNEL = 1000000,       /* instructions that a guest which is an ELF file may take */
    LAB_STRIDE = 20000,         /* instructions between two states of a guest that is an ELF file */
    LAB_MEMORY = 4 << 20,       /* bytes of guest memory */
    LAB_GUEST_ROOM = 256 << 10, /* bytes of a guest at most */
    LAB_NO_MODULE = 40,         /* the runner's exit status: the file defines nothing useful */
    LAB_NO_MACHINE = 41, /* the runner's exit status before it says hello: no VM, no sandbox */
    LAB_NO_CHANNEL = 42, /* the runner's exit status: the channel is closed */
    LAB_NO_SLOT = 43     /* the runner's exit status: a module is for no slot */
};

#define LAB_NO_PREDICTION UINT64_MAX

/* The first that comes, before any code of the student's is loaded: from here on what goes wrong is
 * his. */
struct lab_hello {
    uint64_t nonce; /* of this run: what somebody else writes to the channel is no evidence */
};

struct lab_evidence {
    uint64_t nonce;
    uint64_t digest, instructions, emulated;
    uint64_t exits;     /* of hardware assist, so far */
    uint64_t predicted; /* by the module, for the whole run */
    char last_exit[24]; /* "VMEXIT_CPUID" */
    uint32_t stop, exit_code;
    uint32_t vm;     /* which of several */
    uint32_t stride; /* instructions since the state before */
    struct vmm_registers registers;
    uint32_t sent;             /* bytes that the guest has sent to its console */
    uint8_t last;              /* the last of them */
    uint32_t stack[LAB_STACK]; /* words from ESP on; zeros where there is no memory */
    char text[200];            /* the stop's sentence */
};

static inline void lab_count_output(void *context, const uint8_t *bytes, size_t count)
{
    struct lab_evidence *evidence = context;
    evidence->sent += (uint32_t)count;
    if (count)
        evidence->last = bytes[count - 1];
}

/* A kernel, rather than a few instructions: it is looked at from time to time. */
static inline bool lab_is_kernel(const uint8_t *guest, size_t size)
{
    return size > 4 && memcmp(guest, "\177ELF", 4) == 0;
}

static inline struct vmm_vm *lab_vm(const char *technique, const uint8_t *guest, size_t size,
                                    struct lab_evidence *evidence, struct vmm_error *error)
{
    const struct vmm_config config = {.technique = technique,
                                      .memory_size = LAB_MEMORY,
                                      .console = {.context = evidence, .output = lab_count_output}};
    const struct vmm_image image = {.kind = lab_is_kernel(guest, size) ? "auto" : "flat@0x100000",
                                    .file = {.bytes = guest, .size = (uint32_t)size}};
    struct vmm_vm *vm = vmm_create(&config, error);
    if (vm && size > 6 && guest[6] == 'L' && vmm_log_writes(vm, true, error) != VMM_OK) {
        vmm_destroy(vm);
        return NULL;
    }
    evidence->stride = lab_is_kernel(guest, size) ? LAB_STRIDE : 1;
    if (vm && vmm_load(vm, &image, error) != VMM_OK) {
        vmm_destroy(vm);
        vm = NULL;
    }
    return vm;
}

static inline void lab_look_at_stack(struct vmm_vm *vm, struct lab_evidence *evidence)
{
    const struct vmm_registers *r = &evidence->registers;
    memset(evidence->stack, 0, sizeof evidence->stack);
    vmm_read_linear(vm, r->segment_base[2] + r->gpr[4], evidence->stack, sizeof evidence->stack);
}

static inline void lab_count_exits(struct vmm_vm *vm, struct lab_evidence *evidence)
{
    struct vmm_cause_count cause;
    struct vmm_record record;
    evidence->exits = 0;
    for (size_t i = 0; vmm_cause(vm, i, &cause); i++)
        if (strncmp(cause.cause, "VMEXIT_", 7) == 0)
            evidence->exits += cause.count;
    if (evidence->exits && vmm_last_record(vm, 0, &record))
        snprintf(evidence->last_exit, sizeof evidence->last_exit, "%s", record.cause);
}

/* A guest is through when it comes to an instruction that jumps to itself. */
static inline bool lab_at_end(const struct vmm_vm *vm, const struct vmm_registers *registers)
{
    static const uint8_t jump[2] = {0xeb, 0xfe};
    uint8_t bytes[2];
    uint32_t linear = registers->segment_base[1] + registers->eip;
    return vmm_read_linear(vm, linear, bytes, 2) == 2 && memcmp(bytes, jump, 2) == 0;
}

/* Runs to the next state; whether there is another. */
static inline bool lab_step(struct vmm_vm *vm, struct lab_evidence *evidence)
{
    struct vmm_statistics statistics;
    enum vmm_stop stop = vmm_run(vm, evidence->stride);
    vmm_statistics(vm, &statistics);
    vmm_registers(vm, &evidence->registers);
    lab_look_at_stack(vm, evidence);
    evidence->stop = stop;
    evidence->exit_code = statistics.exit_code;
    evidence->instructions = statistics.guest_instructions;
    evidence->emulated = statistics.emulated;
    evidence->digest = vmm_digest(vm);
    lab_count_exits(vm, evidence);
    snprintf(evidence->text, sizeof evidence->text, "%s", vmm_stop_text(vm));
    if (evidence->stride > 1)
        return stop == VMM_STOP_LIMIT && evidence->instructions < LAB_KERNEL;
    return stop == VMM_STOP_LIMIT && !lab_at_end(vm, &evidence->registers);
}

#endif
