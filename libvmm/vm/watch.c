/* Watchpoints: what a guest changes or reads, caught behind the instruction that does. What a VMM
 * is told of anyhow costs nothing while it does not happen. Of memory the frames are
 * write-protected beneath all page tables, each write to them is stepped (machine/codepages.c), and
 * the bytes are compared. IF, control registers and tables are compared at every exit, and the
 * technique exits at whatever changes them, or such instructions are marked and stepped. Of ports
 * the board tells. What the interpreter executes is looked at instruction by instruction.
 *
 * Only for registers that any instruction may change, and for reads, which change nothing
 * (watch_access.h), the guest has to be stepped, a thousand times slower. A debug register (SDM
 * volume 3, section 17.2) watches four words of memory, and ports, at no cost. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "arch/x86/walk.h"
#include "dispatcher/technique.h"
#include "vm/error.h"
#include "vmm/debug.h"
#include "watch_access.h"

enum { MOST = 32, BYTES = sizeof((struct vmm_watch_hit *)0)->before, PORTS = 65536 };

struct watch {
    unsigned number;
    enum vmm_watch_kind kind;
    char name[12];
    uint32_t address, length;
    uint32_t pages[2]; /* guest-physical: of the first byte, and of the last */
    bool steps;
    uint8_t value[BYTES];
};

struct watches {
    struct vmm_vm *vm;
    struct watch list[MOST];
    unsigned count, last;
    bool is_hit;
    struct vmm_watch_hit hit;
    bool accessed; /* a watched port was, since the last look */
    struct vmm_watch_hit access;
    uint32_t pages[2 * MOST]; /* that are written to only under the eyes of the VMM */
};

bool watches_any(const struct vmm_vm *vm)
{
    return vm->watches && vm->watches->count;
}

static struct watch *find(const struct vmm_vm *vm, unsigned number)
{
    for (unsigned i = 0; vm->watches && i < vm->watches->count; i++)
        if (vm->watches->list[i].number == number)
            return &vm->watches->list[i];
    return 0;
}

static bool in_memory(const struct watch *w)
{
    return w->kind == VMM_WATCH_MEMORY || w->kind == VMM_WATCH_READ || w->kind == VMM_WATCH_ACCESS;
}

/* ---- values ---- */

static void look(const struct vmm_vm *vm, const struct watch *w, uint8_t *value)
{
    uint32_t whole = 0;
    memset(value, 0, BYTES);
    if (in_memory(w)) {
        uint32_t first = X86_PAGE_SIZE - (w->address & ~X86_PAGE_MASK);
        first = first < w->length ? first : w->length;
        vmm_read_physical(vm, w->pages[0] | (w->address & ~X86_PAGE_MASK), value, first);
        vmm_read_physical(vm, w->pages[1], value + first, w->length - first);
    } else if (w->kind == VMM_WATCH_REGISTER) {
        if (strcmp(w->name, "if") == 0)
            whole = (vm->dispatcher.guest->eflags & X86_IF) != 0;
        else
            vmm_register(vm, w->name, &whole);
        memcpy(value, &whole, sizeof whole);
    }
}

static void look_at_all(struct watches *ws)
{
    ws->accessed = false;
    for (unsigned i = 0; i < ws->count; i++)
        look(ws->vm, &ws->list[i], ws->list[i].value);
}

/* ---- being told ---- */

static void on_access(void *context, uint16_t port, unsigned size, bool in, uint32_t value)
{
    struct watches *ws = context;
    for (unsigned i = 0; i < ws->count && !ws->accessed; i++) {
        const struct watch *w = &ws->list[i];
        if (w->kind != VMM_WATCH_PORT || port + size <= w->address ||
            port >= w->address + w->length)
            continue;
        ws->accessed = true;
        ws->access = (struct vmm_watch_hit){
            .number = w->number, .length = size, .port = port, .in = in, .kind = w->kind};
        memcpy(ws->access.after, &value, sizeof value);
    }
}

static bool on_question(void *context, uint32_t at)
{
    struct watches *ws = context;
    struct vmm_watch_hit hit = {.linear = at};
    if (ws->accessed) {
        ws->hit = ws->access;
        ws->hit.linear = at;
        return ws->is_hit = true;
    }
    for (unsigned i = 0; i < ws->count; i++) {
        const struct watch *w = &ws->list[i];
        if (w->kind == VMM_WATCH_PORT || w->kind == VMM_WATCH_READ || w->kind == VMM_WATCH_ACCESS)
            continue;
        look(ws->vm, w, hit.after);
        if (memcmp(hit.after, w->value, w->length) == 0)
            continue;
        hit.number = w->number;
        hit.length = w->length;
        hit.kind = w->kind;
        memcpy(hit.before, w->value, sizeof hit.before);
        ws->hit = hit;
        return ws->is_hit = true;
    }
    return false;
}

/* The instructions that change something without an exit on a machine without a VMM. Those that
 * enter another task may change all of it. */
static bool changes(const struct watch *w, const struct x86_instruction *insn)
{
    if (w->kind == VMM_WATCH_PORT)
        return insn->flags & X86_INSN_IO;
    if (in_memory(w))
        return false;
    switch (insn->kind) {
    case X86_KIND_CLI:
    case X86_KIND_STI:
    case X86_KIND_POPF: return strcmp(w->name, "if") == 0;
    case X86_KIND_MOV_TO_CR:
    case X86_KIND_LMSW:
    case X86_KIND_CLTS: return w->name[0] == 'c';
    case X86_KIND_LGDT:
    case X86_KIND_LIDT:
    case X86_KIND_LLDT:
    case X86_KIND_LTR:
    case X86_KIND_IRET:
    case X86_KIND_CALL_FAR:
    case X86_KIND_CALL_FAR_INDIRECT:
    case X86_KIND_JMP_FAR:
    case X86_KIND_JMP_FAR_INDIRECT: return true;
    default: return false;
    }
}

static bool on_instruction(void *context, const struct x86_instruction *insn)
{
    const struct watches *ws = context;
    for (unsigned i = 0; i < ws->count; i++)
        if (changes(&ws->list[i], insn))
            return true;
    return false;
}

/* ---- running ---- */

/* Whether the guest's own processor executes what changes control state, without an exit. */
static bool needs_marks(const struct vmm_vm *vm)
{
    const struct technique *t = vm->dispatcher.technique;
    return !t->tells_control && (t->assisted || !t->virtualizes);
}

/* The marks are made as code is translated, and that goes on while nobody looks. */
static void mark(struct vmm_vm *vm, const struct watch *changed)
{
    struct dispatcher *d = &vm->dispatcher;
    if (in_memory(changed))
        return;
    d->watch.context = vm->watches;
    d->watch.wants = needs_marks(vm) && vm->watches->count ? on_instruction : 0;
    d->watch_marks |= needs_marks(vm);
    if (needs_marks(vm))
        cpu_look_again(&vm->machine->cpu);
}

/* What the dispatcher knows of all watchpoints together. */
static void sum_up(struct vmm_vm *vm)
{
    struct watches *ws = vm->watches;
    struct dispatch_watch *watch = &vm->dispatcher.watch;
    watch->pages = ws->pages;
    watch->page_count = 0;
    watch->closely = false;
    for (unsigned i = 0; i < ws->count; i++) {
        const struct watch *w = &ws->list[i];
        watch->closely |= w->steps || strcmp(w->name, "if") == 0;
        for (unsigned page = 0; page < 2 && w->kind == VMM_WATCH_MEMORY; page++)
            ws->pages[watch->page_count++] = w->pages[page];
    }
}

static void arm(struct vmm_vm *vm)
{
    struct watches *ws = vm->watches;
    vm->dispatcher.watch.met = on_question;
    vm->dispatcher.watch.context = ws;
    vm->board.watcher = (struct board_watcher){on_access, ws};
    look_at_all(ws);
}

static void disarm(struct vmm_vm *vm)
{
    vm->dispatcher.watch.met = 0;
    vm->board.watcher = (struct board_watcher){0};
}

static bool any_steps(const struct watches *ws)
{
    for (unsigned i = 0; i < ws->count; i++)
        if (ws->list[i].steps)
            return true;
    return false;
}

/* The first watchpoint that the coming instruction will read, or write: `hit` is filled in. */
static bool foresee(const struct watches *ws, struct watch_access *access,
                    struct vmm_watch_hit *hit)
{
    enum { READS = 1 };
    bool looked = false;
    for (unsigned i = 0; i < ws->count; i++) {
        const struct watch *w = &ws->list[i];
        if (w->kind != VMM_WATCH_READ && w->kind != VMM_WATCH_ACCESS)
            continue;
        if (!looked)
            watch_access_look(ws->vm, access);
        looked = true;
        unsigned how = watch_access_of(ws->vm, access, w->pages, w->address, w->length);
        if (!how || (w->kind == VMM_WATCH_READ && !(how & READS)))
            continue;
        *hit = (struct vmm_watch_hit){.number = w->number,
                                      .linear = access->at,
                                      .length = w->length,
                                      .in = how & READS,
                                      .kind = w->kind};
        look(ws->vm, w, hit->before);
        return true;
    }
    return false;
}

static bool was_met(struct watches *ws, const struct watch_access *access,
                    const struct vmm_watch_hit *hit)
{
    if (!watch_access_retired(ws->vm, access))
        return false;
    ws->hit = *hit;
    look(ws->vm, find(ws->vm, hit->number), ws->hit.after);
    return ws->is_hit = true;
}

static enum vmm_stop step_to(struct vmm_vm *vm, uint64_t limit, bool pass)
{
    struct watches *ws = vm->watches;
    struct dispatcher *d = &vm->dispatcher;
    enum vmm_stop stop = VMM_STOP_LIMIT;
    for (uint64_t done; stop == VMM_STOP_LIMIT && (done = dispatcher_instructions(d)) < limit;) {
        uint32_t at = d->watch.at = d->guest->seg[X86_CS].base + d->guest->eip;
        struct watch_access access;
        struct vmm_watch_hit hit;
        bool foreseen = foresee(ws, &access, &hit);
        stop = vm_run_past(vm, done + 1, pass);
        pass = false;
        if (stop == VMM_STOP_WATCH || !vm_resumable(stop))
            break;
        if (on_question(ws, at) ||
            (foreseen && dispatcher_instructions(d) > done && was_met(ws, &access, &hit)))
            vm->stop = stop = VMM_STOP_WATCH;
    }
    return stop;
}

enum vmm_stop watches_run(struct vmm_vm *vm, uint64_t limit, bool pass)
{
    struct watches *ws = vm->watches;
    machine_turn(vm->machine, vm);
    arm(vm);
    ws->is_hit = false;
    enum vmm_stop stop = any_steps(ws) ? step_to(vm, limit, pass) : vm_run_past(vm, limit, pass);
    disarm(vm);
    return stop;
}

/* ---- setting and deleting ---- */

static int find_page(const struct vmm_vm *vm, uint32_t linear, uint32_t *page,
                     struct vmm_error *error)
{
    struct vmm_walk walk;
    vmm_walk(vm, linear, &walk);
    uint32_t physical = vm_physical(vm, walk.guest.physical);
    if (!walk.guest.mapped || physical >= vm_memory_size(vm))
        return error_set(error, VMM_E_STATE,
                         "There is no memory at 0x%08x now; watch it when the guest has mapped it.",
                         linear);
    *page = physical & X86_PAGE_MASK;
    return VMM_OK;
}

static void unprotect(struct vmm_vm *vm, const struct watch *w, unsigned pages)
{
    for (unsigned i = 0; i < pages && w->kind == VMM_WATCH_MEMORY; i++) /* see protect */
        cpu_watch_remove(&vm->machine->cpu, vm_frame(vm, w->pages[i]));
}

static int protect(struct vmm_vm *vm, const struct watch *w, struct vmm_error *error)
{
    for (unsigned i = 0; i < 2; i++) {
        if (cpu_watch_add(&vm->machine->cpu, vm_frame(vm, w->pages[i])))
            continue;
        unprotect(vm, w, i);
        return error_set(error, VMM_E_UNSUPPORTED,
                         "So many pages cannot be watched; delete a watchpoint.");
    }
    return VMM_OK;
}

static int begin_memory(struct vmm_vm *vm, struct watch *w, struct vmm_error *error)
{
    if (w->length && w->length <= BYTES && w->address > UINT32_MAX - (w->length - 1))
        return error_set(error, VMM_E_USAGE,
                         "%u bytes from 0x%08x on reach beyond the end of the address space.",
                         w->length, w->address);
    if (!w->length || w->length > BYTES)
        return error_set(error, VMM_E_USAGE, "%u bytes cannot be watched; choose from 1 to %d.",
                         w->length, BYTES);
    int code = find_page(vm, w->address, &w->pages[0], error);
    if (code == VMM_OK)
        code = find_page(vm, w->address + w->length - 1, &w->pages[1], error);
    w->steps = w->kind != VMM_WATCH_MEMORY;
    return code == VMM_OK && !w->steps ? protect(vm, w, error) : code;
}

/* Registers that only what exits, or is marked, can change. */
static bool is_control(const char *name)
{
    static const char *const names[] = {"if",       "cr0", "cr2",      "cr3", "cr4", "gdt",
                                        "gdtlimit", "idt", "idtlimit", "ldt", "tr"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static int begin_register(struct vmm_vm *vm, struct watch *w, const char *name,
                          struct vmm_error *error)
{
    uint32_t value;
    const struct technique *t = vm->dispatcher.technique;
    bool is_if = name && strcasecmp(name, "if") == 0;
    if (!name || (!is_if && !vmm_register(vm, name, &value)))
        return error_set(error, VMM_E_USAGE, "There is no register '%.20s'.", name ? name : "");
    for (size_t i = 0; i < sizeof w->name - 1 && name[i]; i++)
        w->name[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
    w->length = sizeof value;
    w->steps = !is_control(w->name) || !(t->tells_control || needs_marks(vm));
    return VMM_OK;
}

static int begin_port(const struct vmm_vm *vm, struct watch *w, struct vmm_error *error)
{
    if (!w->length || w->address >= PORTS || w->length > PORTS - w->address)
        return error_set(error, VMM_E_USAGE, "There are ports 0 to 0xffff only.");
    const struct technique *t = vm->dispatcher.technique;
    w->steps = !(t->tells_control || needs_marks(vm));
    return VMM_OK;
}

int vmm_watch_add(struct vmm_vm *vm, const struct vmm_watchpoint *watchpoint, unsigned *number,
                  struct vmm_error *error)
{
    error_clear(error);
    if (!vm->watches && !(vm->watches = calloc(1, sizeof *vm->watches)))
        return error_set(error, VMM_E_MEMORY, "The host has no memory for a watchpoint.");
    struct watches *ws = vm->watches;
    ws->vm = vm;
    if (ws->count == MOST)
        return error_set(error, VMM_E_UNSUPPORTED,
                         "There are %d watchpoints already; delete one before you set another.",
                         MOST);
    struct watch w = {
        .kind = watchpoint->kind, .address = watchpoint->address, .length = watchpoint->length};
    machine_turn(vm->machine, vm);
    int code = in_memory(&w)                  ? begin_memory(vm, &w, error)
               : w.kind == VMM_WATCH_REGISTER ? begin_register(vm, &w, watchpoint->name, error)
                                              : begin_port(vm, &w, error);
    if (code != VMM_OK)
        return code;
    w.number = ++ws->last;
    ws->list[ws->count++] = w;
    if (number)
        *number = w.number;
    sum_up(vm);
    mark(vm, &w);
    return VMM_OK;
}

bool vmm_watch_delete(struct vmm_vm *vm, unsigned number)
{
    struct watch *w = find(vm, number);
    if (!w)
        return false;
    unprotect(vm, w, 2);
    const struct watch gone = *w;
    *w = vm->watches->list[--vm->watches->count];
    sum_up(vm);
    mark(vm, &gone);
    return true;
}

bool vmm_watch_steps(const struct vmm_vm *vm, unsigned number)
{
    const struct watch *w = find(vm, number);
    return w && w->steps;
}

bool vmm_watch_hit(const struct vmm_vm *vm, struct vmm_watch_hit *hit)
{
    if (!vm->watches || !vm->watches->is_hit)
        return false;
    *hit = vm->watches->hit;
    return true;
}

void watches_free(struct vmm_vm *vm)
{
    while (watches_any(vm))
        vmm_watch_delete(vm, vm->watches->list[0].number);
    free(vm->watches);
    vm->watches = 0;
}
