/* The life of a virtual machine: the public interface over machine, board and dispatcher. */
#include "vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arch/x86/walk.h"
#include "dispatcher/technique.h"
#include "loader.h"
#include "vm/error.h"
#include "vmm/record.h"
#include "vmm/version.h"

enum { MEMORY_DEFAULT = 64 << 20, MEMORY_LARGEST = 1 << 30 };

static const struct technique *const techniques[] = {&technique_bare};
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

static int check_config(const struct vmm_config *config, const struct technique **technique,
                        uint32_t *size, struct vmm_error *error)
{
    const char *name = config->technique ? config->technique : technique_bare.name;
    *size = config->memory_size ? config->memory_size : MEMORY_DEFAULT;
    *technique = find_technique(name);
    if (!*technique)
        return error_set(error, VMM_E_USAGE,
                         "The technique '%s' is not known; this build has: bare.", name);
    if (*size < MEMORY_MINIMUM || *size > MEMORY_LARGEST)
        return error_set(error, VMM_E_USAGE,
                         "A memory of %u bytes is not possible; choose from 1M to 1G.", *size);
    return VMM_OK;
}

struct vmm_vm *vmm_create(const struct vmm_config *config, struct vmm_error *error)
{
    const struct technique *technique;
    struct cpu_client client;
    uint32_t size;
    char why[256];
    error_clear(error);
    if (check_config(config, &technique, &size, error) != VMM_OK)
        return 0;
    struct vmm_vm *vm = calloc(1, sizeof *vm);
    if (!vm || !memory_init(&vm->memory, size)) {
        error_set(error, VMM_E_MEMORY,
                  "The host has no memory for a virtual machine of %u MB; choose a smaller one.",
                  size >> 20);
        free(vm);
        return 0;
    }
    vm->console = config->console;
    const struct board_console console = {
        .context = vm->console.context, .output = vm->console.output, .input = vm->console.input};
    board_init(&vm->board, vm->memory.size, &console);
    dispatcher_init(&vm->dispatcher, &vm->cpu, &vm->board, technique, &client);
    vm->dispatcher.interactive = config->interactive;
    if (!cpu_init(&vm->cpu, &vm->memory, &client, config->clock == VMM_CLOCK_HOST, why,
                  sizeof why)) {
        error_set(error, VMM_E_UNSUPPORTED, "%s", why);
        memory_destroy(&vm->memory);
        free(vm);
        return 0;
    }
    return vm;
}

void vmm_destroy(struct vmm_vm *vm)
{
    if (!vm)
        return;
    symbols_free(&vm->symbols);
    cpu_destroy(&vm->cpu);
    memory_destroy(&vm->memory);
    free(vm);
}

/* ---- loading ---- */

static bool write_memory(void *context, uint32_t gpa, const void *bytes, uint32_t count)
{
    struct vmm_vm *vm = context;
    memcpy(vm->memory.bytes + gpa, bytes, count);
    return true;
}

static struct loader_file borrow(const struct vmm_file *file)
{
    return (struct loader_file){.name = file->name, .bytes = file->bytes, .size = file->size};
}

int vmm_load(struct vmm_vm *vm, const struct vmm_image *image, struct vmm_error *error)
{
    struct loader_module modules[LOADER_MODULES];
    struct loader_request request = {.image = borrow(&image->file), .cmdline = image->cmdline};
    struct loader_file initrd;
    struct loader_result result;
    error_clear(error);
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
    const struct loader_memory memory = {vm, vm->memory.size, write_memory};
    code = loader_load(&request, &memory, &result, error);
    if (code != VMM_OK)
        return code;
    loader_prepare_board(&result, &vm->board);
    *cpu_modify(&vm->cpu) = result.cpu;
    cpu_flush(&vm->cpu);
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
    [DISPATCH_STUCK] = {VMM_STOP_STUCK,
                        "The guest raises exceptions for ever and executes no instruction"},
    [DISPATCH_FAILURE] = {VMM_STOP_FAILURE, "The engine failed"},
};

static uint64_t host_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void describe_stop(struct vmm_vm *vm, enum dispatch_end end)
{
    const struct cpu_state *s = vm->dispatcher.guest;
    char reason[128];
    vm->stop = ends[end].stop;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(reason, sizeof reason, ends[end].text, vm->board.exit_code);
#pragma GCC diagnostic pop
    snprintf(vm->stop_text, sizeof vm->stop_text,
             "%s, at 0x%08x in ring %u after %llu instructions.", reason, s->eip, s->cpl,
             (unsigned long long)dispatcher_instructions(&vm->dispatcher));
}

static bool resumable(enum vmm_stop stop)
{
    switch (stop) {
    case VMM_STOP_NONE:
    case VMM_STOP_LIMIT:
    case VMM_STOP_USER:
    case VMM_STOP_BREAK:
    case VMM_STOP_TRAP: return true;
    default: return false;
    }
}

enum vmm_stop vmm_run(struct vmm_vm *vm, uint64_t instructions)
{
    if (!vm->loaded || !resumable(vm->stop))
        return vm->stop;
    uint64_t begin = host_now(), done = dispatcher_instructions(&vm->dispatcher);
    uint64_t limit =
        instructions && instructions < UINT64_MAX - done ? done + instructions : UINT64_MAX;
    cpu_break_pass(vm->dispatcher.cpu);
    enum dispatch_end end = dispatcher_run(&vm->dispatcher, limit);
    vm->dispatcher.interrupted = 0;
    vm->host_ns += host_now() - begin;
    describe_stop(vm, end);
    return vm->stop;
}

void vmm_interrupt(struct vmm_vm *vm)
{
    vm->dispatcher.interrupted = 1;
}

const char *vmm_stop_text(const struct vmm_vm *vm)
{
    return vm->stop_text;
}

const char *vmm_stop_name(enum vmm_stop stop)
{
    static const char *const names[] = {"none",     "exit",    "reset",      "halt",
                                        "shutdown", "limit",   "divergence", "user",
                                        "stuck",    "failure", "break",      "trap"};
    return (unsigned)stop < sizeof names / sizeof *names ? names[stop] : "none";
}

/* ---- looking ---- */

void vmm_registers(const struct vmm_vm *vm, struct vmm_registers *r)
{
    const struct cpu_state *s = vm->dispatcher.guest;
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

size_t vmm_read_physical(const struct vmm_vm *vm, uint32_t address, void *bytes, size_t count)
{
    if (address >= vm->memory.size)
        return 0;
    if (count > vm->memory.size - address)
        count = vm->memory.size - address;
    memcpy(bytes, vm->memory.bytes + address, count);
    return count;
}

size_t vmm_read_linear(const struct vmm_vm *vm, uint32_t address, void *bytes, size_t count)
{
    return x86_peek(vm->dispatcher.guest, vm->dispatcher.memory, address, bytes, count);
}

void vmm_statistics(const struct vmm_vm *vm, struct vmm_statistics *s)
{
    const struct dispatcher *d = &vm->dispatcher;
    *s = (struct vmm_statistics){
        .technique = d->technique->name,
        .stop = vm->stop,
        .exit_code = vm->board.exit_code,
        .guest_instructions = dispatcher_instructions(d),
        .virtual_time = vm->cpu.time,
        .host_ns = vm->host_ns,
        .exceptions = d->statistics.exceptions,
        .software_interrupts = d->statistics.software_interrupts,
        .interrupts = d->statistics.interrupts,
        .intercepts = d->statistics.intercepts,
        .port_accesses = vm->board.accesses_in + vm->board.accesses_out,
    };
    s->direct = s->guest_instructions; /* bare: there is nobody else to execute them */
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
