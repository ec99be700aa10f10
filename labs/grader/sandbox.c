/* Containment in three layers, each enough against most of what is tried. Resource limits
 * (setrlimit(2)): processor time, memory, no file can grow. A root folder of its own and a second
 * uid, or namespaces (namespaces(7)), where the host allows it: no file of the grader can be read.
 * And a filter on system calls (seccomp(2)) that lists what a module can need, which is memory and
 * the channel; everything else fails with EPERM: processes, threads, signals, sockets, waiting. */
#define _GNU_SOURCE /* unshare, setresuid, syscall numbers */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_RULES = 120, DESCRIPTORS = 16 };

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the labs' runner needs the system calls of x86-64 or AArch64"
#endif

/* ---- limits ---- */

/* Bytes of address space in use now; the engine has most of them. 0: it cannot be known. */
static unsigned long address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

static bool limit(unsigned cpu_seconds)
{
    const struct rlimit cpu = {cpu_seconds, cpu_seconds + 1}, none = {0, 0},
                        few = {DESCRIPTORS, DESCRIPTORS};
    unsigned long space = address_space();
    const struct rlimit memory = {space + SANDBOX_MEMORY, space + SANDBOX_MEMORY};
    return (!space || setrlimit(RLIMIT_AS, &memory) == 0) && setrlimit(RLIMIT_CPU, &cpu) == 0 &&
           setrlimit(RLIMIT_FSIZE, &none) == 0 && setrlimit(RLIMIT_CORE, &none) == 0 &&
           setrlimit(RLIMIT_MEMLOCK, &none) == 0 && setrlimit(RLIMIT_NOFILE, &few) == 0;
}

/* ---- a root folder of its own ---- */

/* Whatever of it the host refuses stays undone: the filter holds in any case. */
static void enter_jail(void)
{
    bool root = geteuid() == 0;
    if (!root && unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) != 0)
        return;
    if (chroot(".") == 0 && chdir("/") != 0)
        _exit(1);
    if (root && (setgroups(0, NULL) != 0 ||
                 setresgid(SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) != 0 ||
                 setresuid(SANDBOX_NOBODY, SANDBOX_NOBODY, SANDBOX_NOBODY) != 0))
        return;
}

/* ---- the filter ---- */

/* Memory, the channel, loading a shared object, and what the C library asks about the time. */
static const int allowed[] = {
    SYS_read,         SYS_write,         SYS_close,        SYS_lseek,        SYS_pread64,
    SYS_fstat,        SYS_newfstatat,    SYS_mmap,         SYS_munmap,       SYS_mprotect,
    SYS_mremap,       SYS_madvise,       SYS_brk,          SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_sigaltstack,   SYS_exit,         SYS_exit_group,   SYS_getpid,
    SYS_gettid,       SYS_clock_gettime, SYS_gettimeofday, SYS_getrandom,    SYS_restart_syscall,
    SYS_getrusage,    SYS_sysinfo,       SYS_uname,        SYS_writev,
};

static struct sock_filter rules[MOST_RULES];
static unsigned rule_count;

static void rule(uint16_t code, uint8_t yes, uint8_t no, uint32_t k)
{
    rules[rule_count++] = (struct sock_filter){code, yes, no, k};
}

static void load(size_t offset)
{
    rule(BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void result(uint32_t value)
{
    rule(BPF_RET | BPF_K, 0, 0, value);
}

static size_t argument(unsigned i)
{
    return offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);
}

/* Opening is for reading only. */
static void guard_open(void)
{
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_openat);
    load(argument(2));
    rule(BPF_JMP | BPF_JSET | BPF_K, 0, 1, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_PATH);
    result(SECCOMP_RET_ERRNO | EPERM);
    result(SECCOMP_RET_ALLOW);
}

/* abort() means this process, and nothing else may be sent. */
static void guard_signal(void)
{
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 6, SYS_tgkill);
    load(argument(0));
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, (uint32_t)getpid());
    load(argument(2));
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SIGABRT);
    result(SECCOMP_RET_ALLOW);
    result(SECCOMP_RET_ERRNO | EPERM);
}

/* Nobody is there to be waited for: a lock that is taken twice is an error at once. */
static void guard_futex(void)
{
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 5, SYS_futex);
    load(argument(1));
    rule(BPF_ALU | BPF_AND | BPF_K, 0, 0, FUTEX_CMD_MASK);
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, FUTEX_WAKE);
    result(SECCOMP_RET_ALLOW);
    result(SECCOMP_RET_ERRNO | EPERM);
}

static bool filter(void)
{
    load(offsetof(struct seccomp_data, arch));
    rule(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
    result(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(struct seccomp_data, nr)); /* x32's numbers are others, and so not in the list */
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)allowed[i]);
        result(SECCOMP_RET_ALLOW);
    }
    guard_open();
    guard_signal();
    guard_futex();
    result(SECCOMP_RET_ERRNO | EPERM);
    const struct sock_fprog program = {(unsigned short)rule_count, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

bool sandbox_enter(unsigned cpu_seconds)
{
    if (!limit(cpu_seconds))
        return false;
    enter_jail();
    return filter();
}
