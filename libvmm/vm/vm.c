/* The life of a virtual machine: the public interface over machine, board and dispatcher. */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arch/x86/walk.h"
#include "dispatcher/hw.h"
#include "dispatcher/technique.h"
#include "hardware.h"
#include "history.h"
#include "loader.h"
#include "machine/host.h"
#include "module.h"
#include "pages.h"
#include "shutdown.h"
#include "vm/error.h"
#include "vmm/record.h"
#include "vmm/snapshot.h"
#include "vmm/version.h"
#include "watch.h"

enum {
    MEMORY_DEFAULT = 64 << 20,
    CODE_CACHE_LEAST = 64 << 10,
    MEMORY_LARGEST = 1 << 30,
    PAGE_TABLES = 1024, /* frames for shadow page tables or nested ones, each VM */
    OTHER_FRAMES = (int)VCPU_FRAMES > (int)HW_FRAMES + 1 ? (int)VCPU_FRAMES : (int)HW_FRAMES + 1,
};

static const struct technique *const techniques[] = {
    &technique_bare, &technique_trap, &technique_bt,     &technique_patch,
    &technique_para, &technique_hw,   &technique_hybrid, &technique_interp};
#define TECHNIQUES (sizeof techniques / sizeof *techniques)

#define TEXT(x)  #x
#define VALUE(x) TEXT(x)

const char *vmm_version(void)
{
    return VALUE(VMM_VERSION_MAJOR) "." VALUE(VMM_VERSION_MINOR) "." VALUE(VMM_VERSION_PATCH);
}

const char *vmm_technique(size_t i)
{
    return i < TECHNIQUES ? techniques[i]->name : 0;
}

static const struct technique *find_technique(const char *name)
{
    for (size_t i = 0; i < TECHNIQUES; i++)
        if (!strcmp(techniques[i]->name, name))
            return techniques[i];
    return 0;
}

/* ---- creation ---- */

/* For who did not look whether vmm_create had failed. */
static const char no_vm[] = "There is no virtual machine; vmm_create says in its error why.";

static const char *names_of_techniques(void)
{
    static char names[128];
    size_t used = 0;
    for (size_t i = 0; i < TECHNIQUES && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 techniques[i]->name);
    return names;
}

static int check_config(const struct vmm_config *config, const struct technique **technique,
                        uint32_t *size, struct vmm_error *error)
{
    const char *name = config->technique ? config->technique : technique_bare.name;
    *size = config->memory_size ? config->memory_size : MEMORY_DEFAULT;
    *technique = find_technique(name);
    if (!*technique)
        return error_set(error, VMM_E_USAGE, "The technique '%s' is not known; this build has: %s.",
                         name, names_of_techniques());
    if (*size < MEMORY_MINIMUM || *size > MEMORY_LARGEST)
        return error_set(error, VMM_E_USAGE,
                         "A memory of %u bytes is not possible; choose from 1M to 1G.", *size);
    if (config->clock > VMM_CLOCK_HOST || config->mmu > VMM_MMU_SHADOW)
        return error_set(error, VMM_E_USAGE,
                         "The configuration's clock or mmu is none that there is; set all of it to "
                         "zeros first.");
    if (config->code_cache && config->code_cache < CODE_CACHE_LEAST)
        return error_set(error, VMM_E_USAGE,
                         "A code cache of %u bytes is too small; give 64K or more, or 0.",
                         config->code_cache);
    if (config->beside && !(*technique)->virtualizes)
        return error_set(error, VMM_E_USAGE,
                         "A machine has room for one guest under '%s'; choose a technique that "
                         "virtualizes, such as trap.",
                         name);
    if (config->beside && !config->beside->vcpu)
        return error_set(error, VMM_E_USAGE,
                         "The other virtual machine runs under 'bare' and has its machine for "
                         "itself; run it under trap, say.");
    return VMM_OK;
}

/* Frames that are the VMM's own, each VM. */
static uint32_t own_frames(const struct technique *technique)
{
    return (uint32_t)PAGE_TABLES + OTHER_FRAMES + technique->reserve;
}

/* Machine memory for a VM of `size` bytes and those to come: frames of their own, shadow tables,
 * descriptor tables. */
static int machine_size(const struct vmm_config *config, const struct technique *technique,
                        uint32_t *size, struct vmm_error *error)
{
    uint32_t vms = config->vms ? config->vms : 1;
    uint64_t each = (uint64_t)*size + own_frames(technique) * MEMORY_FRAME_SIZE;
    if (!technique->virtualizes)
        return VMM_OK;
    if (each > MEMORY_MAXIMUM / vms)
        return error_set(
            error, VMM_E_MEMORY,
            "A machine has %u MB at most, too little for %u virtual machines of %u MB; "
            "give each of them less.",
            MEMORY_MAXIMUM >> 20, vms, *size >> 20);
    *size = (uint32_t)(each * vms);
    return VMM_OK;
}

/* Every VM has devices of its own; it may reach the ports at which they are, and they its interrupt
 * lines: timer, keyboard, the second controller, COM1, clock. */
static void give_devices(struct vmm_vm *vm)
{
    static const unsigned lines[] = {0, 1, 2, 4, 8};
    const struct bus *bus = &vm->board.bus;
    for (unsigned i = 0; i < bus->count; i++)
        ports_give(vm->ports, vm->owner, bus->claims[i].first,
                   bus->claims[i].last - bus->claims[i].first + 1u);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        lines_give(vm->ports, vm->owner, lines[i]);
}

static int refuse_memory(const struct vmm_vm *vm, struct vmm_error *error)
{
    return error_set(error, VMM_E_MEMORY,
                     "The machine has no %u MB left for another virtual machine; make room "
                     "for it when the first one is created.",
                     vm->memory_size >> 20);
}

/* The VM's share of a machine that virtualizes. */
static int allocate(struct vmm_vm *vm, const struct technique *technique,
                    const struct technique_options *options, struct vmm_error *error)
{
    enum vcpu_assist assist = !technique->assisted ? VCPU_COMPRESSED
                              : options->shadow    ? VCPU_SHADOWED
                                                   : VCPU_NESTED;
    struct machine *machine = vm->machine;
    vm->owner = machine->next_owner++;
    vm->ports = calloc(1, sizeof *vm->ports);
    vm->vcpu = calloc(1, sizeof *vm->vcpu);
    if (!vm->ports || !vm->vcpu ||
        !frame_map_init(&vm->map, &machine->frames, vm->owner, vm->memory_size) ||
        !vcpu_init(vm->vcpu, &machine->cpu, &vm->map, PAGE_TABLES, assist))
        return refuse_memory(vm, error);
    give_devices(vm);
    struct dispatcher *d = &vm->dispatcher;
    d->vcpu = vm->vcpu;
    d->guest = &vm->vcpu->state;
    d->memory = d->linear = &vm->vcpu->memory;
    d->ports = vm->ports;
    d->owner = vm->owner;
    d->recorder.vm = vm->owner - FRAMES_FIRST_VM;
    vm->vcpu->state = machine->cpu.state;
    if ((technique->create && !technique->create(d, options)) || !module_start(vm))
        return refuse_memory(vm, error);
    return VMM_OK;
}

static int power_on(struct vmm_vm *vm, const struct vmm_config *config,
                    const struct technique *technique, const struct technique_options *options,
                    struct vmm_error *error)
{
    struct cpu_client client;
    char why[256];
    const struct board_console console =
        tape_start(&vm->tape, &vm->console, &vm->board.clock, config->clock == VMM_CLOCK_VIRTUAL);
    board_init(&vm->board, vm->memory_size, &console);
    dispatcher_init(&vm->dispatcher, &vm->board, technique, &client);
    vm->dispatcher.code_cache = config->code_cache;
    vm->machine = config->beside ? config->beside->machine : 0;
    if (!vm->machine) {
        uint32_t size = vm->memory_size;
        int code = machine_size(config, technique, &size, error);
        if (code != VMM_OK)
            return code;
        vm->machine = machine_new(size, technique->virtualizes ? own_frames(technique) : 0,
                                  config->clock == VMM_CLOCK_HOST, &client, why, sizeof why);
        if (!vm->machine)
            return error_set(error, VMM_E_UNSUPPORTED, "%s", why);
        vm->machine->turn = vm;
    }
    vm->machine->vms++;
    dispatcher_use(&vm->dispatcher, &vm->machine->cpu);
    if (!technique->virtualizes)
        return VMM_OK;
    vm->context = cpu_context_new(&vm->machine->cpu, &client);
    if (!vm->context)
        return error_set(error, VMM_E_MEMORY,
                         "The host has no memory for another virtual processor.");
    return allocate(vm, technique, options, error);
}

struct vmm_vm *vmm_create(const struct vmm_config *config, struct vmm_error *error)
{
    const struct technique *technique;
    struct technique_options options;
    static const struct vmm_config defaults;
    uint32_t size;
    error_clear(error);
    config = config ? config : &defaults;
    if (check_config(config, &technique, &size, error) != VMM_OK ||
        hardware_options(config, technique, &options, error) != VMM_OK)
        return 0;
    struct vmm_vm *vm = calloc(1, sizeof *vm);
    if (!vm) {
        error_set(error, VMM_E_MEMORY, "The host has no memory for a virtual machine.");
        return 0;
    }
    vm->console = config->console;
    vm->memory_size = size;
    if (power_on(vm, config, technique, &options, error) != VMM_OK) {
        vmm_destroy(vm);
        return 0;
    }
    vm->dispatcher.interactive = config->interactive;
    vm->dispatcher.keep_going = config->keep_going;
    return vm;
}

void vmm_destroy(struct vmm_vm *vm)
{
    if (!vm)
        return;
    symbols_free(&vm->symbols);
    vmm_history_stop(vm);
    watches_free(vm);
    pages_leave(vm->base);
    page_store_leave(vm->store);
    tape_free(&vm->tape);
    dispatcher_destroy(&vm->dispatcher);
    if (vm->vcpu)
        vcpu_destroy(vm->vcpu);
    frame_map_destroy(&vm->map);
    if (vm->machine && vm->machine->turn == vm)
        machine_rest(vm->machine);
    cpu_context_free(vm->context);
    machine_leave(vm->machine);
    free(vm->modules);
    free(vm->vcpu);
    free(vm->ports);
    free(vm);
}

/* ---- loading ---- */

static bool write_memory(void *context, uint32_t gpa, const void *bytes, uint32_t count)
{
    const struct vmm_vm *vm = context;
    return x86_write_physical(vm->dispatcher.memory, gpa, bytes, count) == X86_OK;
}

static struct loader_file borrow(const struct vmm_file *file)
{
    return (struct loader_file){.name = file->name, .bytes = file->bytes, .size = file->size};
}

int vmm_load(struct vmm_vm *vm, const struct vmm_image *image, struct vmm_error *error)
{
    struct loader_module modules[LOADER_MODULES];
    struct loader_file initrd;
    struct loader_result result;
    error_clear(error);
    if (!vm)
        return error_set(error, VMM_E_USAGE, "%s", no_vm);
    if (!image || (image->file.size && !image->file.bytes))
        return error_set(error, VMM_E_USAGE, "There is no image; give its bytes and their number.");
    struct loader_request request = {.image = borrow(&image->file), .cmdline = image->cmdline};
    if (vm->loaded)
        return error_set(error, VMM_E_STATE,
                         "This virtual machine has a guest already; create another one.");
    if (image->module_count > LOADER_MODULES)
        return error_set(error, VMM_E_USAGE, "%zu modules are too many; give at most %u.",
                         image->module_count, LOADER_MODULES);
    int code = loader_parse_kind(image->kind ? image->kind : "auto", &request.kind,
                                 &request.flat_address, error);
    if (code != VMM_OK)
        return code;
    for (size_t i = 0; i < image->module_count; i++)
        modules[i] = (struct loader_module){.file = borrow(&image->modules[i].file),
                                            .cmdline = image->modules[i].cmdline};
    request.modules = modules;
    request.module_count = image->module_count;
    if (image->initrd) {
        initrd = borrow(image->initrd);
        request.initrd = &initrd;
    }
    const struct loader_memory memory = {vm, vm->memory_size, write_memory};
    code = loader_load(&request, &memory, &result, error);
    if (code != VMM_OK)
        return code;
    loader_prepare_board(&result, &vm->board);
    machine_turn(vm->machine, vm);
    *vm->dispatcher.guest = result.cpu;
    vm->dispatcher.technique->modified(&vm->dispatcher);
    symbols_read(&vm->symbols, &request.image);
    vm->loaded = true;
    return VMM_OK;
}

/* ---- running ---- */

static const struct {
    enum vmm_stop stop;
    const char *text;
} ends[] = {
    [DISPATCH_EXIT] = {VMM_STOP_EXIT, "The guest ended with exit code %u"},
    [DISPATCH_RESET] = {VMM_STOP_RESET, "The guest asked for a reset"},
    [DISPATCH_HALT] = {VMM_STOP_HALT, "The guest halted for good"},
    [DISPATCH_SHUTDOWN] = {VMM_STOP_SHUTDOWN,
                           "The processor shut down: a fault while it delivered a double fault "
                           "(triple fault)"},
    [DISPATCH_LIMIT] = {VMM_STOP_LIMIT, "The instruction limit was reached"},
    [DISPATCH_USER] = {VMM_STOP_USER, "The guest was interrupted"},
    [DISPATCH_BREAK] = {VMM_STOP_BREAK, "The guest reached a breakpoint"},
    [DISPATCH_TRAP] = {VMM_STOP_TRAP, "The guest trapped"},
    [DISPATCH_WATCH] = {VMM_STOP_WATCH, "What is watched has changed"},
    [DISPATCH_STUCK] = {VMM_STOP_STUCK,
                        "The guest raises exceptions for ever and executes no instruction"},
    [DISPATCH_DIVERGED] = {VMM_STOP_DIVERGENCE, ""},
    [DISPATCH_REFUSED] = {VMM_STOP_FAILURE, ""},
    [DISPATCH_FAILURE] = {VMM_STOP_FAILURE, "The engine failed"},
};

static void describe_divergence(struct vmm_vm *vm)
{
    const struct silent_place *place = &vm->dispatcher.silent[0];
    snprintf(vm->stop_text, sizeof vm->stop_text,
             "%s: %s at 0x%08x in ring %u does not trap, and would come to another result than "
             "on the bare machine: it is sensitive, but not privileged.",
             vm->dispatcher.technique->name, place->name, place->linear, place->ring);
}

static void describe_stop(struct vmm_vm *vm, enum dispatch_end end)
{
    const struct cpu_state *s = vm->dispatcher.guest;
    char reason[320];
    vm->stop = ends[end].stop;
    if (end == DISPATCH_DIVERGED) {
        describe_divergence(vm);
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(reason, sizeof reason, ends[end].text, vm->board.exit_code);
#pragma GCC diagnostic pop
    if (end == DISPATCH_REFUSED)
        snprintf(reason, sizeof reason, "%s", vm->dispatcher.reason);
    if (end == DISPATCH_SHUTDOWN) {
        size_t used = strlen(reason);
        used += (size_t)snprintf(reason + used, sizeof reason - used, ", ");
        shutdown_describe(&vm->dispatcher, reason + used, sizeof reason - used);
    }
    snprintf(vm->stop_text, sizeof vm->stop_text,
             "%s, at 0x%08x in ring %u after %llu instructions.", reason, s->eip, s->cpl,
             (unsigned long long)dispatcher_instructions(&vm->dispatcher));
}

bool vm_resumable(enum vmm_stop stop)
{
    switch (stop) {
    case VMM_STOP_NONE:
    case VMM_STOP_LIMIT:
    case VMM_STOP_USER:
    case VMM_STOP_BREAK:
    case VMM_STOP_TRAP:
    case VMM_STOP_WATCH: return true;
    default: return false;
    }
}

enum vmm_stop vm_run_to(struct vmm_vm *vm, uint64_t limit, bool pass)
{
    return watches_any(vm) ? watches_run(vm, limit, pass) : vm_run_past(vm, limit, pass);
}

enum vmm_stop vm_run_past(struct vmm_vm *vm, uint64_t limit, bool pass)
{
    uint64_t begin = host_nanoseconds();
    machine_turn(vm->machine, vm);
    if (pass)
        cpu_break_pass(vm->dispatcher.cpu);
    enum dispatch_end end = dispatcher_run(&vm->dispatcher, limit);
    vm->dispatcher.interrupted = 0;
    vm->host_ns += host_nanoseconds() - begin;
    describe_stop(vm, end);
    return vm->stop;
}

enum vmm_stop vmm_run(struct vmm_vm *vm, uint64_t instructions)
{
    if (!vm)
        return VMM_STOP_FAILURE;
    const struct vmm_vm *turn = vm->machine->turn;
    if (!vm->loaded || !vm_resumable(vm->stop) || (turn && turn->dispatcher.running))
        return vm->stop; /* the last: from within a replaced module */
    uint64_t done = dispatcher_instructions(&vm->dispatcher);
    uint64_t limit =
        instructions && instructions < UINT64_MAX - done ? done + instructions : UINT64_MAX;
    enum vmm_stop stop = vm->history ? history_run(vm, limit) : vm_run_to(vm, limit, true);
    tape_reached(&vm->tape, dispatcher_time(&vm->dispatcher));
    return stop;
}

void vmm_interrupt(struct vmm_vm *vm)
{
    if (vm)
        vm->dispatcher.interrupted = 1;
}

const char *vmm_stop_text(const struct vmm_vm *vm)
{
    return !vm              ? no_vm
           : *vm->stop_text ? vm->stop_text
           : vm->loaded     ? "The guest has not run yet."
                            : "There is no guest yet; load one first.";
}

const char *vmm_stop_name(enum vmm_stop stop)
{
    static const char *const names[] = {"none",  "exit",       "reset", "halt",  "shutdown",
                                        "limit", "divergence", "user",  "stuck", "failure",
                                        "break", "trap",       "watch"};
    return (unsigned)stop < sizeof names / sizeof *names ? names[stop] : "none";
}

/* ---- looking ---- */

void vm_show_registers(const struct cpu_state *s, struct vmm_registers *r)
{
    memcpy(r->gpr, s->gpr, sizeof r->gpr);
    for (unsigned i = 0; i < X86_SREGS; i++) {
        r->segment[i] = s->seg[i].selector;
        r->segment_base[i] = s->seg[i].base;
    }
    r->eip = s->eip;
    r->eflags = s->eflags;
    r->cr0 = s->cr0;
    r->cr2 = s->cr2;
    r->cr3 = s->cr3;
    r->cr4 = s->cr4;
    r->gdt_base = s->gdtr.base;
    r->gdt_limit = s->gdtr.limit;
    r->idt_base = s->idtr.base;
    r->idt_limit = s->idtr.limit;
    r->ldt = s->ldtr.selector;
    r->tr = s->tr.selector;
    r->cpl = s->cpl;
}

void vmm_registers(const struct vmm_vm *vm, struct vmm_registers *registers)
{
    memset(registers, 0, sizeof *registers);
    if (vm)
        vm_show_registers(vm->dispatcher.guest, registers);
}

size_t vmm_read_physical(const struct vmm_vm *vm, uint32_t address, void *bytes, size_t count)
{
    if (!vm || address >= vm->memory_size)
        return 0;
    if (count > vm->memory_size - address)
        count = vm->memory_size - address;
    x86_read_physical(vm->dispatcher.memory, address, bytes, count);
    return count;
}

size_t vmm_read_linear(const struct vmm_vm *vm, uint32_t address, void *bytes, size_t count)
{
    return vm ? x86_peek(vm->dispatcher.guest, vm->dispatcher.linear, address, bytes, count) : 0;
}

void vmm_statistics(const struct vmm_vm *vm, struct vmm_statistics *s)
{
    if (!vm) {
        *s = (struct vmm_statistics){.technique = "", .stop = VMM_STOP_FAILURE, .status = 1};
        return;
    }
    const struct dispatcher *d = &vm->dispatcher;
    *s = (struct vmm_statistics){
        .technique = d->technique->name,
        .stop = vm->stop,
        .exit_code = vm->board.exit_code,
        .guest_instructions = dispatcher_instructions(d),
        .virtual_time = dispatcher_time(d),
        .host_ns = vm->host_ns,
        .exceptions = d->statistics.exceptions,
        .software_interrupts = d->statistics.software_interrupts,
        .interrupts = d->statistics.interrupts,
        .intercepts = d->statistics.intercepts,
        .patched = d->patched,
        .port_accesses = vm->board.accesses_in + vm->board.accesses_out,
    };
    s->emulated = d->emulated;
    s->interpreted = d->interpreted;
    s->repeats = d->repeats;
    s->translated = d->translated;
    s->direct = s->guest_instructions - s->emulated - s->interpreted - s->translated;
    switch (vm->stop) {
    case VMM_STOP_NONE:
    case VMM_STOP_RESET:
    case VMM_STOP_HALT: s->status = 0; break;
    case VMM_STOP_EXIT: s->status = (int)((s->exit_code << 1 | 1) & 0xff); break;
    default: s->status = 1; break;
    }
}

void vmm_watch(struct vmm_vm *vm, void (*sink)(void *context, const struct vmm_record *record),
               void *context)
{
    vm->dispatcher.recorder.sink = sink;
    vm->dispatcher.recorder.sink_context = context;
}

bool vmm_last_record(const struct vmm_vm *vm, unsigned back, struct vmm_record *record)
{
    return record_copy(&vm->dispatcher.recorder, back, record);
}

bool vmm_cause(const struct vmm_vm *vm, size_t i, struct vmm_cause_count *cause)
{
    const struct recorder *r = &vm->dispatcher.recorder;
    for (unsigned c = 0; c < TRAP_CAUSES; c++) {
        if (!r->causes[c].count || i--)
            continue;
        *cause = (struct vmm_cause_count){record_cause_name(c), r->causes[c].count,
                                          record_nanoseconds(r, r->causes[c].ticks)};
        return true;
    }
    return false;
}

bool vmm_silent(const struct vmm_vm *vm, size_t i, struct vmm_silent *silent)
{
    const struct dispatcher *d = &vm->dispatcher;
    if (i >= d->silent_count)
        return false;
    const struct silent_place *place = &d->silent[i];
    *silent = (struct vmm_silent){place->name, place->linear, place->ring, place->count};
    return true;
}

uint64_t vmm_silent_total(const struct vmm_vm *vm)
{
    return vm->dispatcher.silent_total;
}
