/* The kernel's own declarations, by file. The order is a good one to read the files in. */
#ifndef KERNEL_H
#define KERNEL_H

#include "arch.h"
#include <stddef.h>

/* What entry.S leaves on the kernel stack, lowest address first. esp and ss are there only when the
 * processor came from ring 3. */
struct trap_frame {
    uint32_t gs, fs, es, ds;
    uint32_t edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
    uint32_t vector, error;
    uint32_t eip, cs, eflags, esp, ss;
};

/* main.c */
_Noreturn void shut_down(uint32_t code);
void report_lost_frames(void); /* once no process has any */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* lib.c */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
void *memmove(void *to, const void *from, size_t count);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
void copy_string(char *to, const char *from, size_t room);
/* printf's %s %c %d %u %x with width and 0, into `to`; the length */
size_t format_text(char *to, size_t room, const char *format, __builtin_va_list list);
size_t format_line(char *to, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* console.c: what is printed goes to the chosen port and to the VGA text buffer */
void console_init(bool serial_output);
void console_write(const char *bytes, size_t count);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void keyboard_interrupt(void);
void serial_interrupt(void);
int32_t console_read(char *user, uint32_t count); /* one line; sleeps until there is one */

/* trap.c: descriptor tables, interrupt controllers, timer, dispatch */
void trap_init(uint32_t hz);
void set_kernel_stack(uint32_t top);
extern uint64_t gdt[6];
extern volatile uint32_t ticks;

/* entry.S */
void switch_context(uint32_t *old_esp, uint32_t new_esp);
void trap_return(void);
/* Copies between user and kernel memory; 0, or -1 where the user's address is bad. */
int32_t copy_user(void *to, const void *from, uint32_t count);
extern char copy_user_start[], copy_user_end[], copy_user_failed[];
extern uint32_t trap_stubs[];

/* memory.c: page frames with a count of who uses them */
void memory_init(uint32_t bytes);
uint32_t frame_alloc(void); /* 4096 bytes of zeros; 0 when there are none left */
void frame_get(uint32_t frame);
void frame_put(uint32_t frame);
bool frame_shared(uint32_t frame);
uint32_t frames_free(void);

/* vm.c: address spaces */
enum region_kind { REGION_TEXT, REGION_DATA, REGION_ZERO };

struct region {
    uint32_t start, end; /* page addresses; empty if equal */
    enum region_kind kind;
};

enum { REGIONS = 8 };

struct space {
    uint32_t directory; /* physical address, also its address here */
    struct region regions[REGIONS];
    uint32_t heap_end; /* where sbrk stands, in region 2 */
};

void vm_init(uint32_t bytes);
void map_memory(uint32_t *directory, uint32_t bytes); /* paravirtual.c */
bool space_create(struct space *space);               /* the kernel's part only */
void space_load_image(struct space *space);
void space_clear(struct space *space); /* drops the user part */
void space_destroy(struct space *space);
bool space_fork(struct space *child, const struct space *parent);
int32_t space_sbrk(struct space *space, int32_t increment);
int32_t space_mmap(struct space *space, uint32_t length);
int32_t space_munmap(struct space *space, uint32_t start, uint32_t length);
bool vm_fault(struct space *space, uint32_t address, uint32_t error);
void directory_free(struct space *space); /* of a space that is clear and not in use */
bool user_range(uint32_t address, uint32_t count);

/* proc.c: processes and the scheduler */
enum proc_state { UNUSED, RUNNABLE, SLEEPING, ZOMBIE };
enum { PROCESSES = 32, FILES = 4 };

struct open_file {
    const struct file *file; /* NULL: not open */
    uint32_t offset;
};

struct proc {
    enum proc_state state;
    uint32_t pid, status, wake_tick, switches;
    struct proc *parent;
    const void *channel; /* what it sleeps on */
    uint32_t esp;        /* of its kernel stack while another runs */
    struct space space;
    struct open_file files[FILES];
    char name[16];
};

extern struct proc *current;
extern struct proc processes[PROCESSES];
extern volatile bool reschedule; /* the time slice is over */

void proc_start_first(const char *program, uint32_t rounds);
void schedule(void); /* interrupts off */
void sleep_on(const void *channel);
void wake_up(const void *channel);
void clock_tick(void);
int32_t proc_fork(const struct trap_frame *frame);
int32_t proc_wait(uint32_t pid, uint32_t *status);
int32_t proc_exec(struct trap_frame *frame, const char *program, uint32_t argv);
_Noreturn void proc_exit(uint32_t status);

/* syscall.c */
void system_call(struct trap_frame *frame);

/* files.c: what is built in */
struct file {
    const char *name, *text;
};

const struct file *file_find(const char *name);
const struct file *file_at(uint32_t index);

#ifdef LAB
/* labs/08-hypercalls: does what the command line asks to be tried at a point of the boot. */
enum probe_point { PROBE_CONSOLE, PROBE_EVENTS, PROBE_MEMORY };
void probe(enum probe_point point, const char *line);
extern char command_line[128];
#endif

/* The user programs' image, linked at USER_BASE and carried in the kernel's own (image.S). */
struct image_header {
    uint32_t magic, text_end, data_end, bss_end, entry, programs;
};

enum { IMAGE_MAGIC = 0x52455355 };
extern const struct image_header user_image[];
/* Name of the built-in program `index`, NULL behind the last. */
const char *program_at(uint32_t index);

#endif
