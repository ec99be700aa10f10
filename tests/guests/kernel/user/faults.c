/* What a process may not do: each child tries one thing and is ended by the exception that the
 * manual gives for it; and what system calls refuse. */
#include "user.h"

/* A pointer whose value the compiler does not know, and so does not object to. */
static volatile uint8_t *at(uint32_t address)
{
    asm("" : "+r"(address));
    return (volatile uint8_t *)address;
}

static void null_pointer(void)
{
    *at(0x10) = 1;
}

static void read_kernel(void)
{
    *at(0x100000);
}

static void write_text(void)
{
    *at(USER_BASE) = 0;
}

static void divide(void)
{
    asm volatile("xorl %%ecx, %%ecx; divl %%ecx" ::: "eax", "ecx", "edx");
}

static void undefined(void)
{
    asm volatile("ud2");
}

static void breakpoint(void)
{
    asm volatile("int3");
}

static void clear_interrupts(void)
{
    asm volatile("cli");
}

static void halt(void)
{
    asm volatile("hlt");
}

static void write_port(void)
{
    asm volatile("outb %%al, $0xe9" ::"a"('!'));
}

static void load_cr3(void)
{
    asm volatile("movl %0, %%cr3" ::"r"(0));
}

static void bad_segment(void)
{
    asm volatile("movw %w0, %%ds" ::"r"(KERNEL_DATA));
}

static void call_gate(void)
{
    asm volatile("int $0x20");
}

static void jump_nowhere(void)
{
    ((void (*)(void))0x50000000)();
}

int faults_main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*what)(void);
    } tries[] = {
        {"write to a null pointer", null_pointer},
        {"read the kernel", read_kernel},
        {"write the program text", write_text},
        {"divide by zero", divide},
        {"undefined instruction", undefined},
        {"breakpoint", breakpoint},
        {"cli", clear_interrupts},
        {"hlt", halt},
        {"out", write_port},
        {"load cr3", load_cr3},
        {"load a kernel segment", bad_segment},
        {"int of the timer", call_gate},
        {"jump nowhere", jump_nowhere},
    };
    (void)argc, (void)argv;
    for (uint32_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        uint32_t status = 0;
        int child = fork();
        if (!child) {
            tries[i].what();
            exit(0);
        }
        wait(child, &status);
        print("%s: status %x\n", tries[i].name, status);
    }
    char byte = 'x';
    print("write from the kernel: %d\n", write(1, (void *)0x100000, 4));
    print("write from nowhere: %d\n", write(1, (void *)0x50000000, 4));
    print("write beyond the end: %d\n", write(1, (void *)(USER_TOP - 4), 8));
    print("read into the program text: %d\n", read(open("motd"), (void *)USER_BASE, 4));
    print("read of a closed file: %d\n", read(6, &byte, 1));
    print("open of a bad name: %d\n", open((const char *)0x200));
    print("exec of a bad program: %d\n", exec("nothing", (char *[]){"nothing", NULL}));
    print("exec with bad arguments: %d\n", exec("echo", (char **)0x50000000));
    print("wait without children: %d\n", wait(0, NULL));
    print("unknown system call: %d\n", system_call(999, 0, 0, 0));
    return 0;
}
