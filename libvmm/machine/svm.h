/* AMD's secure virtual machine as far as the engine has it (AMD APM volume 2, chapter 15 and
 * appendices B and C): the layout of the VMCB, intercept bits and exit codes. The engine runs its
 * guest in SVM guest mode for ever; it never performs the world switch back, so that "VMEXIT" is a
 * call of the exit hook and "VMRUN" a return from it. */
#ifndef VMM_MACHINE_SVM_H
#define VMM_MACHINE_SVM_H

#include <stdint.h>

/* Byte offsets in the VMCB's control area. */
enum svm_control {
    SVM_INTERCEPT_CR_READ = 0x00,
    SVM_INTERCEPT_CR_WRITE = 0x02,
    SVM_INTERCEPT_DR_READ = 0x04,
    SVM_INTERCEPT_DR_WRITE = 0x06,
    SVM_INTERCEPT_EXCEPTIONS = 0x08,
    SVM_INTERCEPT_MISC1 = 0x0c,
    SVM_INTERCEPT_MISC2 = 0x10,
    SVM_MSRPM_BASE = 0x48,
    SVM_ASID = 0x58,
    SVM_EXIT_INFO_2 = 0x80,
    SVM_NESTED_ENABLE = 0x90,
    SVM_NESTED_CR3 = 0xb0,
};

/* Byte offsets in the VMCB's state save area. */
enum svm_save {
    SVM_SAVE = 0x400,
    SVM_SAVE_SEGMENTS = SVM_SAVE + 0x00, /* ES CS SS DS FS GS, 16 bytes each */
    SVM_SAVE_GDTR = SVM_SAVE + 0x60,
    SVM_SAVE_EFER = SVM_SAVE + 0xd0,
    SVM_SAVE_CR4 = SVM_SAVE + 0x148,
    SVM_SAVE_CR3 = SVM_SAVE + 0x150,
    SVM_SAVE_CR0 = SVM_SAVE + 0x158,
    SVM_SAVE_DR7 = SVM_SAVE + 0x160,
    SVM_SAVE_DR6 = SVM_SAVE + 0x168,
    SVM_SAVE_RFLAGS = SVM_SAVE + 0x170,
    SVM_SAVE_RIP = SVM_SAVE + 0x178,
    SVM_SAVE_RSP = SVM_SAVE + 0x1d8,
};

enum svm_misc1 {
    SVM_MISC1_TR_WRITE = 1u << 13,
    SVM_MISC1_RDTSC = 1u << 14,
    SVM_MISC1_RDPMC = 1u << 15,
    SVM_MISC1_CPUID = 1u << 18,
    SVM_MISC1_RSM = 1u << 19,
    SVM_MISC1_SWINT = 1u << 21,
    SVM_MISC1_HLT = 1u << 24,
    SVM_MISC1_INVLPGA = 1u << 26,
    SVM_MISC1_MSR = 1u << 28,
};

/* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT RDTSCP, MONITOR and MWAIT. */
#define SVM_MISC2_ALL 0x1cffu

enum svm_exit {
    SVM_EXIT_READ_CR0 = 0x00,
    SVM_EXIT_WRITE_CR0 = 0x10,
    SVM_EXIT_READ_DR0 = 0x20,
    SVM_EXIT_WRITE_DR0 = 0x30,
    SVM_EXIT_EXCEPTION = 0x40, /* + vector */
    SVM_EXIT_RDTSC = 0x6e,
    SVM_EXIT_RDPMC = 0x6f,
    SVM_EXIT_CPUID = 0x72,
    SVM_EXIT_RSM = 0x73,
    SVM_EXIT_SWINT = 0x75,
    SVM_EXIT_HLT = 0x78,
    SVM_EXIT_INVLPGA = 0x7a,
    SVM_EXIT_MSR = 0x7c,
    SVM_EXIT_VMRUN = 0x80,
    SVM_EXIT_MWAIT = 0x8c,
    SVM_EXIT_NPF = 0x400,
};

#endif
