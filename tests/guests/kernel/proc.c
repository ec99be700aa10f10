/* Processes: a table of them, a kernel stack each, round robin by the timer. A process gives up the
 * processor only in schedule(), with interrupts off; between, the kernel is its alone. */
#include "kernel.h"

enum { ARGUMENTS = 16, ARGUMENT_BYTES = 256 };

struct proc processes[PROCESSES];
struct proc *current;
volatile bool reschedule;

static uint8_t stacks[PROCESSES][PAGE_SIZE] __attribute__((aligned(4096)));
static uint32_t next_pid = 1;
static uint32_t rounds_left; /* of the first process */

static uint32_t stack_top(const struct proc *proc)
{
    return (uint32_t)stacks[proc - processes] + PAGE_SIZE;
}

static struct trap_frame *frame_of(const struct proc *proc)
{
    return (struct trap_frame *)(stack_top(proc) - sizeof(struct trap_frame));
}

/* What switch_context pops: four registers and where to return to. */
static void fresh_stack(struct proc *proc)
{
    uint32_t *stack = (uint32_t *)frame_of(proc);
    *--stack = (uint32_t)trap_return;
    stack -= 4;
    memset(stack, 0, 16);
    proc->esp = (uint32_t)stack;
}

/* A slot with a fresh space, whose kernel stack returns to user mode by way of its trap frame. */
static struct proc *proc_create(void)
{
    struct proc *proc = NULL;
    for (unsigned i = 0; i < PROCESSES && !proc; i++) {
        if (processes[i].state == UNUSED)
            proc = &processes[i];
    }
    if (!proc)
        return NULL;
    memset(proc, 0, sizeof *proc);
    proc->pid = next_pid++;
    proc->parent = current;
    fresh_stack(proc);
    return proc;
}

static void user_frame(struct trap_frame *frame, uint32_t esp)
{
    memset(frame, 0, sizeof *frame);
    frame->ds = frame->es = frame->fs = frame->gs = frame->ss = USER_DATA;
    frame->cs = USER_CODE;
    frame->eflags = EFLAGS_IF | 2;
    frame->eip = user_image->entry;
    frame->esp = esp;
}

static bool known(const char *program)
{
    const char *name;
    for (uint32_t i = 0; (name = program_at(i)); i++) {
        if (!strcmp(name, program))
            return true;
    }
    return false;
}

/* Puts argc and argv where the C start-up code of the programs finds them: at the stack pointer.
 * `strings` holds `count` strings one behind the other, `bytes` in all. The new stack pointer. */
static uint32_t push_arguments(const char *strings, uint32_t bytes, uint32_t count)
{
    uint32_t words[ARGUMENTS + 2], text = (USER_TOP - bytes) & ~3u, offset = 0;
    uint32_t esp = text - (count + 2) * 4;
    words[0] = count;
    for (uint32_t i = 0; i < count; i++) {
        words[1 + i] = text + offset;
        offset += strlen(strings + offset) + 1;
    }
    words[1 + count] = 0;
    if (copy_user((void *)text, strings, bytes) || copy_user((void *)esp, words, (count + 2) * 4))
        return 0;
    return esp;
}

/* Loads the present process, whose space is empty, with `program`, and goes there. */
static _Noreturn void enter_program(struct proc *proc, const char *program)
{
    uint32_t left;
    space_load_image(&proc->space);
    copy_string(proc->name, program, sizeof proc->name);
    user_frame(frame_of(proc), push_arguments(program, strlen(program) + 1, 1));
    proc->state = RUNNABLE;
    set_kernel_stack(stack_top(proc));
    fresh_stack(proc); /* where our callers may be, who are never returned to */
    switch_context(&left, proc->esp);
    panic("back on a stack that was left");
}

void proc_start_first(const char *program, uint32_t rounds)
{
    struct proc *proc = proc_create();
    if (!known(program) || !proc || !space_create(&proc->space))
        panic("no program %s", program);
    current = proc;
    rounds_left = rounds;
    write_cr3(proc->space.directory);
    enter_program(proc, program);
}

void schedule(void)
{
    struct proc *old = current, *next = old;
    reschedule = false;
    for (;;) {
        for (unsigned i = 0; i < PROCESSES; i++) {
            if (++next == processes + PROCESSES)
                next = processes;
            if (next->state == RUNNABLE)
                break;
        }
        if (next->state == RUNNABLE)
            break;
        irq_wait();
    }
    if (next == old)
        return;
    next->switches++;
    current = next;
    set_kernel_stack(stack_top(next));
    write_cr3(next->space.directory);
    switch_context(&old->esp, next->esp);
}

void sleep_on(const void *channel)
{
    uint32_t flags = irq_save();
    current->channel = channel;
    current->state = SLEEPING;
    schedule();
    current->channel = NULL;
    irq_restore(flags);
}

void wake_up(const void *channel)
{
    uint32_t flags = irq_save();
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (processes[i].state == SLEEPING && processes[i].channel == channel)
            processes[i].state = RUNNABLE;
    }
    irq_restore(flags);
}

/* Called on every tick, interrupts off. Sleepers by time sleep on their own wake_tick. */
void clock_tick(void)
{
    reschedule = true;
    for (unsigned i = 0; i < PROCESSES; i++) {
        struct proc *proc = &processes[i];
        if (proc->state == SLEEPING && proc->channel == &proc->wake_tick &&
            (int32_t)(ticks - proc->wake_tick) >= 0)
            proc->state = RUNNABLE;
    }
}

int32_t proc_fork(const struct trap_frame *frame)
{
    uint32_t flags = irq_save();
    struct proc *child = proc_create();
    if (!child || !space_fork(&child->space, &current->space)) {
        if (child && child->space.directory) {
            space_destroy(&child->space);
            write_cr3(current->space.directory);
        }
        irq_restore(flags);
        return -1;
    }
    *frame_of(child) = *frame;
    frame_of(child)->eax = 0;
    memcpy(child->files, current->files, sizeof child->files);
    copy_string(child->name, current->name, sizeof child->name);
    child->state = RUNNABLE;
    irq_restore(flags);
    return (int32_t)child->pid;
}

/* Waits for child `pid`, or any if it is 0; its pid, or -1 if there is no such child. */
int32_t proc_wait(uint32_t pid, uint32_t *status)
{
    uint32_t flags = irq_save();
    for (;;) {
        bool found = false;
        for (unsigned i = 0; i < PROCESSES; i++) {
            struct proc *child = &processes[i];
            if (child->state == UNUSED || child->parent != current || (pid && child->pid != pid))
                continue;
            found = true;
            if (child->state != ZOMBIE)
                continue;
            int32_t result = (int32_t)child->pid;
            *status = child->status;
            directory_free(&child->space);
            child->state = UNUSED;
            irq_restore(flags);
            return result;
        }
        if (!found) {
            irq_restore(flags);
            return -1;
        }
        sleep_on(current);
    }
}

/* Replaces the image. The arguments are copied out of the old one before it goes. */
int32_t proc_exec(struct trap_frame *frame, const char *program, uint32_t argv)
{
    char strings[ARGUMENT_BYTES];
    uint32_t bytes = 0, count = 0, address;
    if (!known(program))
        return -1;
    for (; count < ARGUMENTS; count++) {
        if (!user_range(argv + count * 4, 4) ||
            copy_user(&address, (const void *)(argv + count * 4), 4))
            return -1;
        if (!address)
            break;
        do {
            if (bytes == sizeof strings || !user_range(address, 1) ||
                copy_user(&strings[bytes], (const void *)address++, 1))
                return -1;
        } while (strings[bytes++]);
    }
    space_clear(&current->space);
    space_load_image(&current->space);
    copy_string(current->name, program, sizeof current->name);
    uint32_t esp = push_arguments(strings, bytes, count);
    if (!esp)
        proc_exit(KILLED);
    user_frame(frame, esp);
    return 0;
}

void proc_exit(uint32_t status)
{
    irq_disable();
    if (current->pid == 1 && rounds_left > 1 && !status) {
        char program[sizeof current->name];
        copy_string(program, current->name, sizeof program);
        rounds_left--;
        space_clear(&current->space);
        for (unsigned i = 0; i < FILES; i++)
            current->files[i].file = NULL;
        enter_program(current, program);
    }
    if (current->pid == 1) {
        space_destroy(&current->space);
        report_lost_frames();
        shut_down(status);
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (processes[i].parent == current)
            processes[i].parent = &processes[0];
    }
    space_clear(&current->space);
    current->status = status;
    current->state = ZOMBIE;
    wake_up(current->parent);
    schedule();
    panic("a zombie runs");
}
