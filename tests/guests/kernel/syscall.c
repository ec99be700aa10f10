/* System calls: number in EAX, arguments in EBX, ECX, EDX. A pointer from user space is used only
 * by copy_user, after a check that its range is the user's: a page that is not mapped yet is then
 * faulted in like any other. */
#include "kernel.h"

/* A string from user space, at most `room` bytes with its end; false if it is bad or too long. */
static bool user_string(uint32_t address, char *to, uint32_t room)
{
    for (uint32_t i = 0; i < room; i++) {
        if (!user_range(address + i, 1) || copy_user(&to[i], (const void *)(address + i), 1))
            return false;
        if (!to[i])
            return true;
    }
    return false;
}

static int32_t sys_write(uint32_t descriptor, uint32_t address, uint32_t count)
{
    char bytes[128];
    if ((descriptor != 1 && descriptor != 2) || !user_range(address, count))
        return -1;
    for (uint32_t done = 0; done < count;) {
        uint32_t part = count - done < sizeof bytes ? count - done : sizeof bytes;
        if (copy_user(bytes, (const void *)(address + done), part))
            return -1;
        console_write(bytes, part);
        done += part;
    }
    return (int32_t)count;
}

static int32_t sys_read(uint32_t descriptor, uint32_t address, uint32_t count)
{
    if (!user_range(address, count))
        return -1;
    if (descriptor == 0)
        return console_read((char *)address, count);
    if (descriptor < 3 || descriptor >= 3 + FILES)
        return -1;
    struct open_file *open = &current->files[descriptor - 3];
    if (!open->file)
        return -1;
    uint32_t left = strlen(open->file->text) - open->offset;
    if (count > left)
        count = left;
    if (copy_user((void *)address, open->file->text + open->offset, count))
        return -1;
    open->offset += count;
    return (int32_t)count;
}

static int32_t sys_open(uint32_t name_address)
{
    char name[32];
    const struct file *file;
    if (!user_string(name_address, name, sizeof name) || !(file = file_find(name)))
        return -1;
    for (uint32_t i = 0; i < FILES; i++) {
        if (!current->files[i].file) {
            current->files[i] = (struct open_file){file, 0};
            return (int32_t)i + 3;
        }
    }
    return -1;
}

static int32_t sys_close(uint32_t descriptor)
{
    if (descriptor < 3 || descriptor >= 3 + FILES || !current->files[descriptor - 3].file)
        return -1;
    current->files[descriptor - 3].file = NULL;
    return 0;
}

static int32_t sys_exec(struct trap_frame *frame)
{
    char name[16];
    if (!user_string(frame->ebx, name, sizeof name))
        return -1;
    return proc_exec(frame, name, frame->ecx);
}

static int32_t sys_wait(uint32_t pid, uint32_t status_address)
{
    uint32_t status;
    int32_t child = proc_wait(pid, &status);
    if (child >= 0 && status_address &&
        (!user_range(status_address, 4) || copy_user((void *)status_address, &status, 4)))
        return -1;
    return child;
}

static int32_t sys_sleep(uint32_t count)
{
    uint32_t flags = irq_save();
    current->wake_tick = ticks + count;
    while ((int32_t)(ticks - current->wake_tick) < 0)
        sleep_on(&current->wake_tick);
    irq_restore(flags);
    return 0;
}

/* One line for the process in slot `index`; 0 for an empty slot, -1 behind the last. */
static int32_t sys_ps(uint32_t index, uint32_t address, uint32_t room)
{
    static const char *states[] = {"unused", "ready", "sleeping", "zombie"};
    char line[80];
    if (index >= PROCESSES || !user_range(address, room))
        return -1;
    const struct proc *proc = &processes[index];
    if (proc->state == UNUSED)
        return 0;
    uint32_t length = format_line(line, sizeof line, "%5u %-10s %s\n", proc->pid, proc->name,
                                  proc == current ? "running" : states[proc->state]);
    if (length > room || copy_user((void *)address, line, length))
        return -1;
    return (int32_t)length;
}

/* The name of the program (kind 0) or file (kind 1) `index`; its length, or -1. */
static int32_t sys_list(uint32_t kind, uint32_t index, uint32_t address)
{
    const struct file *file = file_at(index);
    const char *name = kind ? (file ? file->name : NULL) : program_at(index);
    if (!name)
        return -1;
    uint32_t size = strlen(name) + 1;
    if (!user_range(address, size) || copy_user((void *)address, name, size))
        return -1;
    return (int32_t)size - 1;
}

void system_call(struct trap_frame *frame)
{
    const uint32_t a = frame->ebx, b = frame->ecx, c = frame->edx;
    int32_t result = -1;
    switch (frame->eax) {
    case SYS_EXIT: proc_exit(a & 0xFF);
    case SYS_FORK: result = proc_fork(frame); break;
    case SYS_READ: result = sys_read(a, b, c); break;
    case SYS_WRITE: result = sys_write(a, b, c); break;
    case SYS_OPEN: result = sys_open(a); break;
    case SYS_CLOSE: result = sys_close(a); break;
    case SYS_WAIT: result = sys_wait(a, b); break;
    case SYS_EXEC: result = sys_exec(frame); break;
    case SYS_GETPID: result = (int32_t)current->pid; break;
    case SYS_SBRK: result = space_sbrk(&current->space, (int32_t)a); break;
    case SYS_MMAP: result = space_mmap(&current->space, a); break;
    case SYS_MUNMAP: result = space_munmap(&current->space, a, b); break;
    case SYS_SLEEP: result = sys_sleep(a); break;
    case SYS_TICKS: result = (int32_t)ticks; break;
    case SYS_PS: result = sys_ps(a, b, c); break;
    case SYS_LIST: result = sys_list(a, b, c); break;
    case SYS_HALT: shut_down(a);
    case SYS_YIELD:
        reschedule = true;
        result = 0;
        break;
    }
    frame->eax = (uint32_t)result;
}
