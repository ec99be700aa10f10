/* Runs one guest with a student's module, one instruction at a time, and sends the machine's state
 * to the scorer. Student code shares this process, so nothing here is to be trusted: before the
 * module is loaded, a filter on system calls (seccomp(2)) and resource limits (setrlimit(2)) take
 * away files, processes, signals to others and the network; what is left is to fail a test.
 *
 *     runner MODULE.so TECHNIQUE NONCE SLOT...    a flat guest comes in by standard input */
#define _GNU_SOURCE
#include "evidence.h"
#include "lab.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CPU_SECONDS = 3, MOST_RULES = 160 };

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the lab's runner needs the system calls of x86-64 or AArch64"
#endif

/* Denied with EPERM; the rest of the filter is about arguments. */
static const int denied[] = {
#ifdef __x86_64__
    SYS_fork,
    SYS_vfork,
    SYS_open,
    SYS_creat,
    SYS_unlink,
    SYS_rename,
    SYS_mkdir,
    SYS_rmdir,
    SYS_link,
    SYS_symlink,
    SYS_chmod,
    SYS_chown,
    SYS_mknod,
    SYS_utimes,
    SYS_alarm,
#endif
    SYS_execve,
    SYS_execveat,
    SYS_unlinkat,
    SYS_renameat,
    SYS_renameat2,
    SYS_mkdirat,
    SYS_linkat,
    SYS_symlinkat,
    SYS_mknodat,
    SYS_fchmodat,
    SYS_fchmod,
    SYS_fchownat,
    SYS_truncate,
    SYS_utimensat,
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kill,
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_setrlimit,
    SYS_prlimit64,
    SYS_mount,
    SYS_umount2,
    SYS_chroot,
    SYS_setsid,
    SYS_setpgid,
    SYS_shmget,
    SYS_msgget,
    SYS_semget,
    SYS_mq_open,
    SYS_memfd_create,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_unshare,
    SYS_setns,
    SYS_setpriority,
    SYS_fallocate,
    SYS_setxattr};

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

static void deny(int number, int error)
{
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)number);
    result(SECCOMP_RET_ERRNO | (uint32_t)error);
}

/* `number` is allowed if its argument has (`with`) or has not any of `bits`. */
static void guard(int number, unsigned argument, uint32_t bits, bool with)
{
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (uint32_t)number);
    load(offsetof(struct seccomp_data, args) + argument * sizeof(uint64_t));
    rule(BPF_JMP | BPF_JSET | BPF_K, with ? 1 : 0, with ? 0 : 1, bits);
    result(SECCOMP_RET_ERRNO | EPERM);
    result(SECCOMP_RET_ALLOW);
}

static bool enter_sandbox(void)
{
    const struct rlimit cpu = {CPU_SECONDS, CPU_SECONDS + 1}, none = {0, 0};
    if (setrlimit(RLIMIT_CPU, &cpu) || setrlimit(RLIMIT_FSIZE, &none) ||
        setrlimit(RLIMIT_CORE, &none))
        return false;
    load(offsetof(struct seccomp_data, arch));
    rule(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, ARCHITECTURE);
    result(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    rule(BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000); /* x32 has other numbers */
    result(SECCOMP_RET_KILL_PROCESS);
#endif
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++)
        deny(denied[i], EPERM);
    deny(SYS_clone3, ENOSYS); /* the C library falls back to clone, whose flags can be seen */
    deny(437, ENOSYS);        /* openat2 */
    deny(425, ENOSYS);        /* io_uring_setup: another way to all of these */
    guard(SYS_clone, 0, CLONE_THREAD, true);
    guard(SYS_openat, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, false);
    rule(BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_tgkill); /* abort() means this process */
    load(offsetof(struct seccomp_data, args));
    rule(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (uint32_t)getpid());
    result(SECCOMP_RET_ERRNO | EPERM);
    result(SECCOMP_RET_ALLOW);
    result(SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {(unsigned short)rule_count, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* The library's own routine would do the student's work. */
static struct vmm_outcome guarded(void *context, struct vmm_call *call)
{
    const struct lab_module *module = context;
    struct vmm_outcome outcome = module->routine(NULL, call);
    if (outcome.kind == VMM_OUTCOME_STANDARD)
        outcome.kind = VMM_OUTCOME_MISSING;
    return outcome;
}

static bool replace(struct vmm_vm *vm, const struct lab_module *modules, const char *slot)
{
    for (; modules->slot; modules++)
        if (strcmp(modules->slot, slot) == 0)
            return modules->routine &&
                   vmm_module_replace(vm, slot, guarded, (void *)modules, NULL) == VMM_OK;
    return vmm_module_remove(vm, slot, NULL) == VMM_OK;
}

int main(int argc, char **argv)
{
    static uint8_t guest[LAB_GUEST_ROOM];
    struct lab_evidence evidence = {0};
    struct vmm_error error;
    if (argc < 4)
        return LAB_NO_MACHINE;
    size_t size = fread(guest, 1, sizeof guest, stdin);
    evidence.nonce = strtoull(argv[3], NULL, 16);
    memset(argv[3], 'x', strlen(argv[3]));
    /* The library is trusted, and made ready first: the filter need not let it through. */
    struct vmm_vm *vm = lab_vm(argv[2], guest, size, &evidence, &error);
    if (!vm || !enter_sandbox()) {
        fprintf(stderr, "%s\n", vm ? "the sandbox cannot be set up" : error.text);
        return LAB_NO_MACHINE;
    }
    void *module = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    const struct lab_module *modules = module ? dlsym(module, "lab_modules") : NULL;
    if (!modules) {
        fprintf(stderr, "%s\n", dlerror());
        return LAB_NO_MODULE;
    }
    for (int i = 4; i < argc; i++)
        if (!replace(vm, modules, argv[i]))
            return LAB_NO_MODULE;
    bool more = true;
    for (unsigned step = 0; more && step < LAB_STEPS; step++) {
        more = lab_step(vm, &evidence);
        if (write(LAB_CHANNEL, &evidence, sizeof evidence) != sizeof evidence)
            return LAB_NO_MACHINE;
    }
    return 0;
}
