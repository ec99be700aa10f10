/* Shows what a supervisor sees that is executed directly at another ring than it believes: PUSHF
 * reads another IF, POPF drops the one it should load, without a trap (Robin and Irvine 2000: POPF
 * is the instruction that breaks the x86). Each line tells what the architecture gives. The first
 * silent sensitive instruction is the PUSHF at the symbol `first_silent`. Exit code: what went
 * wrong. */
#include "guest.h"

int main(void)
{
    uint32_t after_cli, after_sti, after_popf, code_segment, wrong = 0;
    outb(0x21, 0xFF);
    outb(0xA1, 0xFF);
    asm volatile("cli\n"
                 "first_silent: .globl first_silent\n\t"
                 "pushfl; popl %0"
                 : "=r"(after_cli)::"memory");
    asm volatile("sti; pushfl; popl %0; cli" : "=r"(after_sti)::"memory");
    asm volatile("pushl $0x202; popfl; pushfl; popl %0; cli" : "=r"(after_popf)::"memory", "cc");
    asm volatile("movl %%cs, %0" : "=r"(code_segment));

    wrong += (after_cli & 0x200) != 0;
    wrong += (after_sti & 0x200) == 0;
    wrong += (after_popf & 0x200) == 0;
    wrong += (code_segment & 3) != 0;
    print("cli; pushf:        IF=%u, should be 0\n", after_cli >> 9 & 1);
    print("sti; pushf:        IF=%u, should be 1\n", after_sti >> 9 & 1);
    print("popf IF=1; pushf:  IF=%u, should be 1\n", after_popf >> 9 & 1);
    print("mov %%cs:           RPL=%u, should be 0\n", code_segment & 3);
    return (int)wrong;
}
