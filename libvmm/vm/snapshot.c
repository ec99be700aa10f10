/* Snapshots: a virtual machine at one moment, in host memory. Beside guest memory (pages.c) it is
 *
 *     the processor       as it is parked while another VM has it: floating point, time
 *     the guest's state   which is the processor's own where nothing is virtualized
 *     the board           every device, every timer
 *     the dispatcher      statistics, records, idle time
 *     the technique       what the guest has told it and can be asked for nowhere (para)
 *
 * What a technique derives from these (shadow tables, translations, decoded code) is not kept. It
 * is forgotten when a snapshot is taken, and again when it is restored, so that both runs from
 * there begin alike: the manual lets a processor drop translations at any time. */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "dispatcher/technique.h"
#include "history.h"
#include "machine/dirty.h"
#include "pages.h"
#include "vm/error.h"

/* The devices, with all that is on the board behind them; ports are wired once for all. */
#define DEVICES (sizeof(struct board) - offsetof(struct board, pic))

struct vmm_snapshot {
    const struct vmm_vm *vm;
    struct pages *pages;
    uint32_t epoch; /* of the dirty log: memory was `pages` when it began */
    struct cpu_context *context;
    struct cpu_state real, guest;
    struct dispatcher dispatcher;
    void *kept; /* of the technique's own; NULL: nothing */
    struct clock clock;
    uint8_t devices[DEVICES];
    uint64_t looks, timeline;
    enum vmm_stop stop;
    uint64_t host_ns;
    char stop_text[sizeof((struct vmm_vm *)0)->stop_text];
};

void vmm_snapshot_free(struct vmm_snapshot *snapshot)
{
    if (!snapshot)
        return;
    pages_leave(snapshot->pages);
    cpu_context_free(snapshot->context);
    free(snapshot->kept);
    free(snapshot);
}

uint64_t snapshot_instructions(const struct vmm_snapshot *snapshot)
{
    return snapshot->dispatcher.time - snapshot->dispatcher.idle;
}

void vmm_snapshot_describe(const struct vmm_snapshot *snapshot, struct vmm_snapshot_info *info)
{
    *info = (struct vmm_snapshot_info){.instructions = snapshot_instructions(snapshot),
                                       .time = snapshot->dispatcher.time,
                                       .bytes = sizeof *snapshot + pages_alone(snapshot->pages)};
}

/* ---- taking ---- */

static int check(const struct vmm_vm *vm, struct vmm_error *error)
{
    error_clear(error);
    if (!vm)
        return error_set(error, VMM_E_USAGE, "There is no virtual machine.");
    const struct vmm_vm *turn = vm->machine->turn;
    if (!vm->loaded)
        return error_set(error, VMM_E_STATE, "There is no guest yet; load one first.");
    if (vm->machine->cpu.host_clock)
        return error_set(error, VMM_E_UNSUPPORTED,
                         "The host's clock cannot be set back; run with --clock virtual.");
    if (turn && turn->dispatcher.running)
        return error_set(error, VMM_E_STATE, "The guest is running; stop it first.");
    return VMM_OK;
}

static int no_memory(struct vmm_error *error)
{
    return error_set(error, VMM_E_MEMORY, "The host has no memory for another snapshot.");
}

/* The VM's memory is `pages` now. */
static void note_base(struct vmm_vm *vm, struct pages *pages)
{
    pages_share(pages);
    pages_leave(vm->base);
    vm->base = pages;
    vm->base_epoch = dirty_epoch(&vm->machine->cpu);
}

static bool take_memory(struct vmm_vm *vm, struct vmm_snapshot *s)
{
    if (!vm->store)
        vm->store = page_store_new();
    if (vm->store)
        s->pages = pages_take(vm, vm->base, vm->base_epoch);
    if (!s->pages)
        return false;
    note_base(vm, s->pages);
    s->epoch = vm->base_epoch;
    return true;
}

static void take_rest(struct vmm_vm *vm, struct vmm_snapshot *s)
{
    s->vm = vm;
    s->real = vm->machine->cpu.state;
    s->guest = *vm->dispatcher.guest;
    s->dispatcher = vm->dispatcher;
    s->clock = vm->board.clock;
    memcpy(s->devices, &vm->board.pic, DEVICES);
    s->looks = vm->tape.looks;
    s->timeline = vm->timeline;
    s->stop = vm->stop;
    s->host_ns = vm->host_ns;
    memcpy(s->stop_text, vm->stop_text, sizeof s->stop_text);
}

static bool take_own(const struct vmm_vm *vm, struct vmm_snapshot *s)
{
    const struct technique *technique = vm->dispatcher.technique;
    if (technique->keep)
        s->kept = technique->keep(&vm->dispatcher);
    return s->kept || !technique->keep;
}

struct vmm_snapshot *vmm_snapshot_take(struct vmm_vm *vm, struct vmm_error *error)
{
    if (check(vm, error) != VMM_OK)
        return 0;
    machine_turn(vm->machine, vm);
    vm->dispatcher.technique->modified(&vm->dispatcher);
    struct vmm_snapshot *s = calloc(1, sizeof *s);
    if (!s || !take_memory(vm, s) || !take_own(vm, s) ||
        !(s->context = cpu_context_save(&vm->machine->cpu))) {
        vmm_snapshot_free(s);
        no_memory(error);
        return 0;
    }
    take_rest(vm, s);
    return s;
}

/* ---- putting back ---- */

/* Counts, times and records are the guest's; who watches, and what the VM is made of, is not. */
static void put_back_dispatcher(struct dispatcher *d, const struct dispatcher *then)
{
    const struct dispatcher now = *d;
    *d = *then;
    d->cpu = now.cpu;
    d->board = now.board;
    d->technique = now.technique;
    d->guest = now.guest;
    d->memory = now.memory;
    d->own = now.own;
    d->vcpu = now.vcpu;
    d->ports = now.ports;
    d->modules = now.modules;
    d->keep_going = now.keep_going;
    d->interactive = now.interactive;
    d->interrupted = now.interrupted;
    d->watch = now.watch;
    d->watch_marks = now.watch_marks;
    d->recorder.sink = now.recorder.sink;
    d->recorder.sink_context = now.recorder.sink_context;
    d->recorder.stop = now.recorder.stop;
    d->recorder.stop_context = now.recorder.stop_context;
}

static void put_back_state(struct vmm_vm *vm, const struct vmm_snapshot *s)
{
    struct cpu *cpu = &vm->machine->cpu;
    cpu_switch(cpu, 0, s->context);
    *cpu_modify(cpu) = s->real;
    memcpy(cpu->dr, s->real.dr, sizeof cpu->dr);
    *vm->dispatcher.guest = s->guest;
    put_back_dispatcher(&vm->dispatcher, &s->dispatcher);
    vm->board.clock = s->clock;
    memcpy(&vm->board.pic, s->devices, DEVICES);
}

int snapshot_put_back(struct vmm_vm *vm, struct vmm_snapshot *s, struct vmm_error *error)
{
    int code = check(vm, error);
    if (code != VMM_OK)
        return code;
    if (!s)
        return error_set(error, VMM_E_USAGE, "There is no snapshot; vmm_snapshot_take says why.");
    if (s->vm != vm)
        return error_set(error, VMM_E_STATE,
                         "The snapshot is of another virtual machine; restore it there.");
    machine_turn(vm->machine, vm);
    pages_restore(vm, s->pages, s->epoch);
    put_back_state(vm, s);
    if (vm->vcpu && vm->vcpu->shadow)
        shadow_forget(vm->vcpu->shadow);
    if (s->kept)
        vm->dispatcher.technique->put_back(&vm->dispatcher, s->kept);
    vm->dispatcher.technique->modified(&vm->dispatcher);
    note_base(vm, s->pages);
    s->epoch = vm->base_epoch;
    vm->stop = s->stop;
    vm->host_ns = s->host_ns;
    memcpy(vm->stop_text, s->stop_text, sizeof vm->stop_text);
    tape_rewind(&vm->tape, s->looks);
    return VMM_OK;
}

void snapshot_cut(struct vmm_vm *vm, const struct vmm_snapshot *s)
{
    vm->timeline++;
    tape_cut(&vm->tape, s->looks, s->dispatcher.time);
}

int vmm_snapshot_restore(struct vmm_vm *vm, struct vmm_snapshot *snapshot, struct vmm_error *error)
{
    int code = snapshot_put_back(vm, snapshot, error);
    if (code != VMM_OK)
        return code;
    bool other = snapshot->timeline != vm->timeline;
    if (other)
        tape_cut(&vm->tape, snapshot->looks, snapshot->dispatcher.time);
    if (!vm->history)
        vm->tape.shown = snapshot->dispatcher.time; /* who has no history wants to see it again */
    else if (other)
        history_changed(vm, true);
    else
        history_moved(vm);
    return VMM_OK;
}
