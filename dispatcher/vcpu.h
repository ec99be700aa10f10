/* The virtual processor of a VM, and its stand-in on the real one (ring compression).
 *
 *     guest believes           real processor
 *     ring 0                   ring 1, with IOPL 0: what is privileged traps
 *     ring 3                   ring 3
 *     real mode                virtual-8086 mode, with IOPL 0
 *     its page tables          shadow page tables; WP is always set
 *     its GDT and LDT          shadow tables, from which outward transfers trap
 *     its IDT and TSS          none of the guest's: every event comes to the VMM
 *     its IF                   at ring 1 always set: a kernel that masks interrupts must not keep
 *                              the VMM from being interrupted
 *     user code's IF and IOPL  its own: PUSHF shows them, and POPF may change IF where IOPL is 3
 *
 * absorb() brings the guest's view up to date with what ran directly; project() makes the stand-in
 * from it; absorb after project changes nothing. Both are on the path of every world switch. */
#ifndef DISPATCHER_VCPU_H
#define DISPATCHER_VCPU_H

#include "allocator/descriptors.h"
#include "allocator/frames.h"
#include "allocator/shadow.h"
#include "interpreter/interpreter.h"
#include "machine/cpu.h"

/* What the processor itself does for the guest's supervisor. */
enum vcpu_assist {
    VCPU_COMPRESSED, /* nothing: the above */
    VCPU_NESTED,     /* guest mode with nested paging: all of the guest's state is the real one */
    VCPU_SHADOWED,   /* guest mode: the same but for CR0, CR3, CR4, and page tables */
};

/* Pages that one instruction may have to write at a time while they are traced. */
#define VCPU_OPEN 4u

struct vcpu {
    enum vcpu_assist assist;
    struct cpu_state state;             /* the guest's */
    struct x86_segment real[X86_SREGS]; /* as projected last */
    struct x86_memory memory;           /* guest-physical; writes are noticed */
    struct x86_memory quiet; /* the same for page walks, whose A and D bits nobody traces */
    struct cpu *cpu;
    const struct frame_map *map;
    struct shadow *shadow;     /* NULL: VCPU_NESTED */
    struct descriptors tables; /* VCPU_COMPRESSED */
    bool lets_go;              /* of descriptor tables: see vcpu_recall_tables */
    struct interpreter interpreter;
    uint32_t root;    /* of the shadow tables: the real CR3 */
    uint32_t written; /* traced guest-physical page that is being written; FRAMES_NONE: none */
    uint64_t traced_writes;             /* how often a traced page was handed out for writing */
    uint8_t before[MEMORY_FRAME_SIZE];  /* and what it was */
    uint8_t nowhere[MEMORY_FRAME_SIZE]; /* stands in for missing memory */
    struct {
        uint32_t linear, guest;
        uint8_t before[MEMORY_FRAME_SIZE];
    } open[VCPU_OPEN]; /* traced pages that are writable for the instruction being stepped */
    unsigned opened;
    uint32_t step_eip, step_gpr[8]; /* of that instruction */
    /* Hears of every word of a traced page that was written, whoever did it. May be NULL. */
    void (*watch)(void *context, uint32_t guest, uint32_t count);
    void *watch_context;
};

/* Makes the virtual processor of the VM whose memory is `map`, after reset. `tables` is how many
 * frames of the pool may hold shadow tables. False if the pool or the host has not enough. */
bool vcpu_init(struct vcpu *vcpu, struct cpu *cpu, const struct frame_map *map, uint32_t tables,
               enum vcpu_assist assist);
void vcpu_destroy(struct vcpu *vcpu);

/* How many frames of the pool vcpu_init takes for itself, besides shadow tables. */
#define VCPU_FRAMES DESCRIPTORS_FRAMES

/* Is EFLAGS the processor's, as a whole, while `guest` runs? */
static inline bool vcpu_has_flags(const struct cpu_state *guest)
{
    return guest->cpl == 3 && (guest->cr0 & X86_CR0_PE) && !(guest->eflags & X86_VM);
}

void vcpu_absorb(struct vcpu *vcpu);
void vcpu_project(struct vcpu *vcpu);

/* The word `skip` bytes above the guest's stack pointer. False if it cannot be read: the processor
 * will say so. */
bool vcpu_peek_stack(const struct vcpu *vcpu, uint32_t skip, uint32_t *value);

/* The allocator's part after the guest's CR0, CR3 or CR4 changed, and after its GDTR or LDTR did.
 */
void vcpu_switch_space(struct vcpu *vcpu);
void vcpu_switch_tables(struct vcpu *vcpu);

/* A technique whose guest's supervisor loads segments, and does nothing else with descriptors
 * without the VMM, sets `lets_go`: then stores next to a table may have it let go of
 * (descriptors.h), and loads from it fault. Before such a fault is believed, and before the guest
 * goes to ring 3, where it may read them, this takes it up again. Whether there was anything to
 * take up. */
bool vcpu_recall_tables(struct vcpu *vcpu);

/* The guest invalidates the translation of `linear`. What it changes in its tables the shadow
 * follows at once, the processor's TLB no sooner than here or when the address space is switched
 * (SDM volume 3, section 4.10.4.1): so a guest that forgets it finds what it would on the bare
 * machine. */
void vcpu_invalidate(struct vcpu *vcpu, uint32_t linear);

/* Everything anew: after `state` was set from outside. */
void vcpu_reset(struct vcpu *vcpu);

/* The VMM's own 4 MB leave a place that the guest has mapped. vcpu_project does it, too. */
void vcpu_make_way(struct vcpu *vcpu);

/* After arch/ or a routine has written guest memory: tells the shadows. To be called before the
 * guest runs on. */
void vcpu_settle(struct vcpu *vcpu);

/* Makes the traced page at `linear`, guest-physical `guest`, writable for the instruction about to
 * be stepped; and ends that for all such pages. False if there are too many. */
bool vcpu_open(struct vcpu *vcpu, uint32_t linear, uint32_t guest);
void vcpu_close(struct vcpu *vcpu);

#endif
