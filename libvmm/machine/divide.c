/* Surviving the engine's division. See divide.h. The handler looks at the host's instruction, so it
 * exists for x86-64; others (AArch64's SDIV) do not trap. */
#define _GNU_SOURCE /* REG_RIP */
#include "divide.h"

#ifdef __x86_64__

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "arch/x86/decode.h"

static _Thread_local volatile bool guarded;
static struct sigaction before;

/* Length of the IDIV at `code`, 0 if it is none. Without REX it decodes as in 32-bit code. */
static unsigned idiv_length(const uint8_t *code, bool *wide)
{
    enum { REX = 0x40, REX_W = 8, GROUP3 = 0xf7, IDIV = 7 };
    struct x86_instruction insn;
    unsigned prefix = (*code & 0xf0) == REX;
    *wide = prefix && (*code & REX_W);
    unsigned length = x86_decode(code + prefix, X86_INSN_MAX, true, &insn);
    return length && insn.opcode == GROUP3 && insn.reg == IDIV ? prefix + length : 0;
}

static void pass_on(int number, siginfo_t *info, void *context)
{
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN)
        signal(number, SIG_DFL); /* and the instruction is met again */
    else
        before.sa_handler(number);
}

static void on_division(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    bool wide = false;
    unsigned length = 0;
    if (guarded && info->si_code == FPE_INTDIV)
        length = idiv_length((const uint8_t *)(uintptr_t)registers[REG_RIP], &wide);
    if (!length) {
        pass_on(number, info, context);
        return;
    }
    registers[REG_RAX] = wide ? INT64_MIN : (greg_t)UINT32_C(0x80000000);
    registers[REG_RDX] = 0;
    registers[REG_RIP] += length;
}

static void install(void)
{
    struct sigaction action = {.sa_sigaction = on_division, .sa_flags = SA_SIGINFO};
    sigemptyset(&action.sa_mask);
    sigaction(SIGFPE, &action, &before);
}

void divide_guard(bool on)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    guarded = on;
}

#else

void divide_guard(bool on)
{
    (void)on;
}

#endif
