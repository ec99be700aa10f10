/* What is known of each cause of traps: Intel SDM volume 2 for what instructions want, Robin and
 * Irvine (2000) for what goes wrong with them in a guest's hands. */
#include "shell/repl/why.h"

#include <string.h>

static const struct why_cause causes[] = {
    {"exception", "The instruction raised an exception.", NULL, WHY_EVENT},
    {"software_interrupt",
     "The guest's program asks for a service: INT n calls the handler that the kernel put into "
     "gate "
     "n of its interrupt descriptor table (IDT). This is how system calls are made.",
     "the processor would go through the real IDT, which is the VMM's: the program would call the "
     "VMM in place of its own kernel.",
     WHY_EVENT},
    {"interrupt",
     "A device asked for attention: the interrupt controller raised its line while the guest had "
     "interrupts enabled (IF = 1). The instruction at this place has nothing to do with it; it is "
     "executed later.",
     "the device's request would go to whoever owns the real IDT, and reach no guest, or the wrong "
     "one.",
     WHY_EVENT},
    {"hidden_fault",
     "The instruction accesses memory, and the guest's own page tables allow it (or its "
     "paging is off). But the processor "
     "does not walk those: it walks the VMM's shadow tables, and they had no entry yet for this "
     "page. On the bare machine nothing would have happened here.",
     "the guest would see a page fault that its own tables do not explain. Shadow tables are "
     "filled "
     "in on demand because the VMM cannot know in advance what the guest will use.",
     WHY_EVENT},
    {"true_fault",
     "The instruction accesses memory that the guest's own page tables refuse. On the bare machine "
     "it would fault just so: the fault is the guest's, and its kernel wants to see it (demand "
     "paging and copy-on-write live from it).",
     "the fault would enter the VMM and stay there: the guest's kernel would never map the page, "
     "and the instruction would fault for ever.",
     WHY_EVENT},
    {"table_write",
     "The instruction writes to a page that serves the guest as a page table. The VMM has "
     "write-protected it (a trace), because its shadow tables are made from it.",
     "the guest would change its table, and the processor would go on with the shadow of what was "
     "there before: stale rights, stale addresses.",
     WHY_EVENT},
    {"table_call_out",
     "The instruction writes to a page that serves the guest as a page table, as it has often "
     "done: "
     "its translation is a call of the VMM by now, which costs less than to run into the "
     "write-protected page (the trace) each time. (Adams and Agesen, section 3.4, adaptive binary "
     "translation.)",
     "the guest would change its table, and the processor would go on with the shadow of what was "
     "there before: stale rights, stale addresses.",
     WHY_EVENT},
    {"descriptor_write",
     "The instruction writes to a page that holds the guest's segment descriptors. The VMM has "
     "write-protected it (a trace), because the real descriptor table is a shadow of it.",
     "the processor would go on loading segments from descriptors that the guest has replaced.",
     WHY_EVENT},
    {"device_memory", "The instruction accesses an address where there is no memory.",
     "it would reach whatever the machine has at that address: another guest's memory, or a device "
     "that this guest does not own.",
     WHY_EVENT},
    {"hypercall",
     "The guest's kernel was built for a virtual machine: in the place of something privileged it "
     "asks the VMM, by INT 0x82, with a number in EAX.",
     "nobody would answer, and the kernel, which has no instructions for it any more, could not go "
     "on.",
     WHY_EVENT},
    {"silent", "The instruction reads or changes what the VMM keeps from the guest.", NULL,
     WHY_SILENT},
    {"chain",
     "A translation unit ends at a branch whose target has no unit yet, or none that the branch "
     "leads to. The target is translated, and the branch is made to go there by itself.",
     "the guest's own code would be executed at ring 1, sensitive instructions and all.",
     WHY_EVENT},
    {"chain_miss",
     "An indirect branch or a return has a target that the table of translated targets does not "
     "have. The target is translated, and found by itself from now on.",
     "the guest's own code would be executed at ring 1, sensitive instructions and all.",
     WHY_EVENT},
    {"invalid", "There is no such instruction.", NULL, WHY_EVENT},
    {"ud", "UD2 raises an invalid-opcode exception by definition; kernels mark bugs with it.", NULL,
     WHY_INNOCUOUS},
    {"cli", "CLI clears the interrupt flag (IF): external interrupts are to wait.",
     "IF would be cleared on the real processor: one guest could lock the timer out, and the VMM "
     "with it, for ever.",
     WHY_IOPL},
    {"sti", "STI sets the interrupt flag (IF): external interrupts may come again.",
     "the real IF would change. The VMM must have interrupts enabled while any guest runs, and "
     "deliver them to this one only when its virtual IF says so.",
     WHY_IOPL},
    {"pushf", "PUSHF stores EFLAGS on the stack, IF and IOPL among them.",
     "the guest would read the real IF and IOPL, which are the VMM's, in place of its own.",
     WHY_SILENT},
    {"popf",
     "POPF loads EFLAGS from the stack. In ring 0 that includes the interrupt flag (IF) and IOPL.",
     "outside ring 0 POPF leaves IF and IOPL alone and says nothing: the guest would believe that "
     "interrupts are off when they are on. This is the textbook's example of why x86 cannot be "
     "virtualized classically.",
     WHY_SILENT},
    {"iret",
     "IRET ends a handler: it loads EIP, CS and EFLAGS from the stack, and ESP and SS too if it "
     "leads to an outer ring.",
     "the return would load selectors for rings that the guest does not really run in, and IF and "
     "IOPL would be dropped without a word.",
     WHY_PRIVILEGED},
    {"int", "INT n calls the handler in gate n of the interrupt descriptor table.",
     "the processor would go through the real IDT, which is the VMM's.", WHY_EVENT},
    {"int3", "INT3 is a debugger's breakpoint: it calls the handler of vector 3.", NULL, WHY_EVENT},
    {"into", "INTO calls the handler of vector 4 if the overflow flag is set.", NULL, WHY_EVENT},
    {"hlt", "HLT stops the processor until the next interrupt: the guest has nothing to do.",
     "the real processor would stop, and with it every other guest and the VMM. That one guest is "
     "idle is the moment to let another one run.",
     WHY_PRIVILEGED},
    {"in", "IN reads a device's register through an I/O port.",
     "the guest would read a device that it does not own: resource control is lost.", WHY_IOPL},
    {"in_dx", "IN reads a device's register through the I/O port in DX.",
     "the guest would read a device that it does not own: resource control is lost.", WHY_IOPL},
    {"out", "OUT writes to a device's register through an I/O port.",
     "the guest would program a device that it does not own: mask everybody's interrupts, or reset "
     "the machine.",
     WHY_IOPL},
    {"out_dx", "OUT writes to a device's register through the I/O port in DX.",
     "the guest would program a device that it does not own: mask everybody's interrupts, or reset "
     "the machine.",
     WHY_IOPL},
    {"ins", "INS reads a string of bytes from an I/O port into memory.",
     "the guest would read a device that it does not own.", WHY_IOPL},
    {"outs", "OUTS writes a string of bytes from memory to an I/O port.",
     "the guest would program a device that it does not own.", WHY_IOPL},
    {"lgdt",
     "LGDT tells the processor where the global descriptor table (GDT) is: the table that defines "
     "every segment and its ring.",
     "the guest would define segments of ring 0 for itself, and be master of the machine.",
     WHY_PRIVILEGED},
    {"lidt",
     "LIDT tells the processor where the interrupt descriptor table (IDT) is: the table of all "
     "handlers.",
     "every trap would enter the guest in place of the VMM: it would have lost the machine.",
     WHY_PRIVILEGED},
    {"sgdt", "SGDT stores address and limit of the GDT.",
     "the guest would read where the VMM's table is, not its own: it could tell that it is "
     "watched, "
     "and use a wrong address.",
     WHY_SILENT},
    {"sidt",
     "SIDT stores address and limit of the IDT. It is the instruction of the 'red pill', which "
     "finds out whether there is a VMM.",
     "the guest would read where the VMM's table is, not its own.", WHY_SILENT},
    {"lldt", "LLDT loads the selector of the local descriptor table.",
     "the processor would take segments from a table that the VMM has not checked.",
     WHY_PRIVILEGED},
    {"ltr",
     "LTR loads the task register: it names the task state segment (TSS), where the processor "
     "finds "
     "the kernel's stack when a program traps.",
     "the processor would take the guest's word for the stack of ring 0, which is the VMM's.",
     WHY_PRIVILEGED},
    {"sldt", "SLDT stores the selector of the local descriptor table.",
     "the guest would read the real one, which is the VMM's choice.", WHY_SILENT},
    {"str", "STR stores the selector in the task register.",
     "the guest would read the real one, which is the VMM's choice.", WHY_SILENT},
    {"lmsw", "LMSW loads the low four bits of CR0 (protection, task switched, ...).",
     "the guest would change the real processor's mode.", WHY_PRIVILEGED},
    {"smsw", "SMSW stores the low half of CR0, in any ring.",
     "the guest would read the real CR0: whether paging and protection are on is the VMM's "
     "business, "
     "not the guest's.",
     WHY_SILENT},
    {"clts", "CLTS clears CR0.TS, by which a kernel defers saving the floating-point registers.",
     "the real flag would change, by which the VMM may defer the same for its guests.",
     WHY_PRIVILEGED},
    {"mov_from_cr", "The guest reads a control register.",
     "the guest would read the real register: in CR3, for instance, the address of the VMM's "
     "shadow "
     "table and not of its own.",
     WHY_PRIVILEGED},
    {"mov_to_cr",
     "The guest writes a control register: CR0 switches protection and paging, CR4 extensions such "
     "as 4 MB pages, and CR3 says where the page directory is: which address space holds.",
     "the guest would replace the relocation of the real machine: it would choose page tables by "
     "itself, and could map any machine memory, the VMM's and other guests' included.",
     WHY_PRIVILEGED},
    {"mov_from_dr", "The guest reads a debug register.",
     "the guest would read the breakpoints of whoever debugs the machine.", WHY_PRIVILEGED},
    {"mov_to_dr", "The guest writes a debug register: a hardware breakpoint.",
     "the breakpoint would hold for the VMM and every other guest, too.", WHY_PRIVILEGED},
    {"invlpg", "INVLPG forgets the cached translation of one page, after its table was changed.",
     "the real TLB would forget its entry, but the VMM's shadow table would still hold the old "
     "one.",
     WHY_PRIVILEGED},
    {"invd", "INVD empties the caches without writing them back.",
     "writes of everybody on the machine would be lost.", WHY_PRIVILEGED},
    {"wbinvd", "WBINVD writes the caches back and empties them.",
     "every guest on the machine would pay for it.", WHY_PRIVILEGED},
    {"rdmsr", "RDMSR reads a model-specific register.",
     "the guest would read the real processor's configuration.", WHY_PRIVILEGED},
    {"wrmsr", "WRMSR writes a model-specific register.",
     "the guest would change the real processor's configuration.", WHY_PRIVILEGED},
    {"rdtsc", "RDTSC reads the time stamp counter.",
     "the guest would see the host's time, with all that the VMM and other guests took of it.",
     WHY_INNOCUOUS},
    {"cpuid", "CPUID says which processor this is, and what it can do.",
     "the guest would learn of features that its virtual processor does not have, and use them.",
     WHY_SILENT},
    {"lar", "LAR reads a segment's access rights, if the ring may see it.",
     "the answer depends on the real ring, and the guest's kernel is not in the ring that it "
     "believes.",
     WHY_SILENT},
    {"lsl", "LSL reads a segment's limit, if the ring may see it.",
     "the answer depends on the real ring and the shadow table.", WHY_SILENT},
    {"verr", "VERR asks whether a segment is readable in this ring.",
     "the answer depends on the real ring.", WHY_SILENT},
    {"verw", "VERW asks whether a segment is writable in this ring.",
     "the answer depends on the real ring.", WHY_SILENT},
    {"mov_from_sreg", "The guest reads a segment selector, whose low two bits are a ring.",
     "the guest's kernel would read ring 1 in CS or SS where it expects 0: it could tell that it "
     "is "
     "watched.",
     WHY_SILENT},
    {"mov_to_sreg", "The guest loads a segment register.",
     "the selector would be looked up in the real table and checked against the real ring.",
     WHY_SILENT},
    {"push_sreg", "The guest pushes a segment selector, whose low two bits are a ring.",
     "the guest's kernel would store ring 1 where it expects 0: it could tell that it is watched.",
     WHY_SILENT},
    {"pop_sreg", "The guest loads a segment register from the stack.",
     "the selector would be looked up in the real table and checked against the real ring.",
     WHY_SILENT},
    {"load_far_pointer", "The guest loads a segment register and an offset from memory.",
     "the selector would be looked up in the real table and checked against the real ring.",
     WHY_SILENT},
    {"call_far", "A far CALL changes the code segment, and perhaps the ring, through a gate.",
     "rings would be compared that the guest does not really run in.", WHY_SILENT},
    {"call_far_indirect", "A far CALL changes the code segment, and perhaps the ring.",
     "rings would be compared that the guest does not really run in.", WHY_SILENT},
    {"jmp_far", "A far JMP loads the code segment.",
     "the selector would be looked up in the real table and checked against the real ring.",
     WHY_SILENT},
    {"jmp_far_indirect", "A far JMP loads the code segment.",
     "the selector would be looked up in the real table and checked against the real ring.",
     WHY_SILENT},
    {"ret_far", "A far RET loads the code segment from the stack, and may lead to an outer ring.",
     "rings would be compared that the guest does not really run in.", WHY_SILENT},
    {"sysenter", "SYSENTER calls the kernel on newer processors; this one does not have it.", NULL,
     WHY_EVENT},
    {"sysexit", "SYSEXIT returns from such a call; this processor does not have it.", NULL,
     WHY_EVENT},
    {"syscall", "SYSCALL calls the kernel on AMD's processors; this one does not have it.", NULL,
     WHY_EVENT},
    {"sysret", "SYSRET returns from such a call; this processor does not have it.", NULL,
     WHY_EVENT},
    {"icebp", "ICEBP (F1) raises a debug exception, for hardware debuggers.", NULL, WHY_EVENT},
    {"rdtscp", "RDTSCP reads the time stamp counter; this processor does not have it.", NULL,
     WHY_EVENT},
    {"rdpmc", "RDPMC reads a performance counter.",
     "the guest would count what the VMM and other guests do.", WHY_PRIVILEGED},
    {"xgetbv", "XGETBV reads which register state is enabled; this processor does not have it.",
     NULL, WHY_EVENT},
    {"xsetbv", "XSETBV enables register state; this processor does not have it.", NULL, WHY_EVENT},
    {"monitor", "MONITOR names an address to wait for; this processor does not have it.", NULL,
     WHY_EVENT},
    {"mwait", "MWAIT waits for a write there; this processor does not have it.", NULL, WHY_EVENT},
    {"pause", "PAUSE says that a loop is waiting for somebody.", NULL, WHY_INNOCUOUS},
    {"arpl", "ARPL raises the ring in a selector to that of the caller.",
     "the ring compared is the one that the guest's kernel believes in, and not the real one.",
     WHY_SILENT},
    {"rsm", "RSM leaves system management mode, which this machine does not have.", NULL,
     WHY_EVENT},
    {"vmx", "An instruction of Intel's VMX, by which a VMM runs guests in hardware.", NULL,
     WHY_EVENT},
    {"svm", "An instruction of AMD's SVM, by which a VMM runs guests in hardware.", NULL,
     WHY_EVENT},
    {"vmcall", "VMCALL asks a hypervisor for a service.", NULL, WHY_EVENT},
    {"VMEXIT_NPF",
     "The instruction, or the processor in its walk through the guest's page tables, accesses a "
     "guest-physical address. The nested table, by which the processor maps those to machine "
     "addresses, had no entry for the page yet. On the bare machine nothing would have happened "
     "here.",
     "the guest would take what it believes to be memory for the machine's: other guests' frames "
     "and the VMM's.",
     WHY_EVENT},
    {"VMEXIT_SHUTDOWN",
     "A fault came while the processor delivered a double fault: a triple fault shuts it down.",
     "the machine would be reset, with all of its guests.", WHY_EVENT},
    {"VMEXIT_INVALID",
     "VMRUN found the virtual machine control block illegal: one of its consistency checks failed.",
     NULL, WHY_EVENT},
    {"vmmcall", "VMMCALL asks a hypervisor for a service.", NULL, WHY_EVENT},
};
enum { CAUSES = sizeof causes / sizeof *causes };

const struct why_cause *why_find_cause(const char *cause)
{
    for (size_t i = 0; i < CAUSES; i++)
        if (strcmp(causes[i].cause, cause) == 0)
            return &causes[i];
    return NULL;
}

const char *why_cause(size_t i)
{
    return i < CAUSES ? causes[i].cause : NULL;
}

const char *why_cause_of(const struct vmm_vm *vm, size_t i)
{
    const size_t known = sizeof causes / sizeof *causes;
    struct vmm_intercepted exit;
    if (i < known)
        return causes[i].cause;
    return vm && vmm_intercepted(vm, i - known, &exit) ? exit.exit : NULL;
}

/* Intel SDM volume 3, table 6-1. */
static const struct {
    const char *name, *title;
} vectors[] = {
    [0] = {"#DE", "divide error"},
    [1] = {"#DB", "debug exception"},
    [2] = {"NMI", "non-maskable interrupt"},
    [3] = {"#BP", "breakpoint"},
    [4] = {"#OF", "overflow"},
    [5] = {"#BR", "bound range exceeded"},
    [6] = {"#UD", "invalid opcode"},
    [7] = {"#NM", "device not available"},
    [8] = {"#DF", "double fault"},
    [10] = {"#TS", "invalid TSS"},
    [11] = {"#NP", "segment not present"},
    [12] = {"#SS", "stack fault"},
    [13] = {"#GP", "general protection"},
    [14] = {"#PF", "page fault"},
    [16] = {"#MF", "floating-point error"},
    [17] = {"#AC", "alignment check"},
    [18] = {"#MC", "machine check"},
    [19] = {"#XM", "SIMD floating-point error"},
};
enum { VECTORS = sizeof vectors / sizeof *vectors };

const char *why_vector_name(uint8_t vector)
{
    return vector < VECTORS ? vectors[vector].name : NULL;
}

const char *why_vector_title(uint8_t vector)
{
    return vector < VECTORS ? vectors[vector].title : NULL;
}
