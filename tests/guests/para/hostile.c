/* A paravirtual guest that asks for what it must not have: bad numbers, wild pointers, frames of
 * others, writable page tables, batches that end badly. Each call has to come to the error that the
 * interface names (vmm/hypercall.h), and change nothing. Exit code: how many did not.
 *
 * `fuzz=SEED n=COUNT` makes random calls instead; `end=stack` and `end=handler` end in a way that
 * the VMM has to stop. */
#include <vmm/hypercall.h>

#include <stdbool.h>
#include <stddef.h>

int main(uint32_t magic, const uint32_t *info);
uint32_t try(void (*code)(void));
extern const char on_general[], on_page[], on_back[], user_code[];

enum { PAGE = 4096, MEMORY = 16 << 20, P = 1, W = 2, U = 4 };
enum { CODE = 0x08, DATA = 0x10, USER_CODE = 0x1b, USER_DATA = 0x23 };

#define PAGE_ALIGNED __attribute__((aligned(4096)))

static volatile struct vmm_hc_shared shared PAGE_ALIGNED;
static uint32_t directory[1024] PAGE_ALIGNED, tables[4][1024] PAGE_ALIGNED;
static uint32_t spare[1024] PAGE_ALIGNED, other[1024] PAGE_ALIGNED;
static uint8_t user_stack[PAGE] PAGE_ALIGNED;
static struct vmm_hc_update batch[1100];
static uint32_t failures;

/* ---- console ---- */

static void put(const char *text)
{
    uint32_t length = 0;
    while (text[length])
        length++;
    vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)text, length, 0);
}

static void put_number(int32_t value)
{
    char text[12], *at = text + sizeof text;
    uint32_t rest = value < 0 ? -(uint32_t)value : (uint32_t)value;
    *--at = 0;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    put(at);
}

static void check(const char *name, int32_t got, int32_t wanted)
{
    put(name);
    if (got == wanted) {
        put(": ok\n");
        return;
    }
    failures++;
    put(": ");
    put_number(got);
    put(", not ");
    put_number(wanted);
    put("\n");
}

/* ---- page tables ---- */

static uint32_t machine(const volatile void *address)
{
    const uint32_t at = (uint32_t)address;
    return ((const uint32_t *)VMM_HC_P2M)[at >> 12] | (at & 0xFFF);
}

/* A machine frame that is not ours. */
static uint32_t foreign(void)
{
    for (uint32_t frame = 0;; frame++)
        if (((const uint32_t *)VMM_HC_M2P)[frame] == UINT32_MAX)
            return frame << 12;
}

static int32_t update(uint32_t target, uint32_t value)
{
    batch[0] = (struct vmm_hc_update){target, value};
    return vmm_hypercall(VMM_HC_MMU, (uint32_t)batch, 1, 0);
}

static uint32_t done; /* updates that the last batch made */
static int32_t updates(uint32_t address, uint32_t count)
{
    int32_t result;
    asm volatile("int %[vector]"
                 : "=a"(result), "=c"(done)
                 : "a"(VMM_HC_MMU), "b"(address), "1"(count), [vector] "i"(VMM_HC_VECTOR)
                 : "memory");
    return result;
}

static uint32_t *entry_of(const volatile void *address)
{
    return &tables[(uint32_t)address >> 22][(uint32_t)address >> 12 & 1023];
}

static int32_t map(const volatile void *address, uint32_t rights)
{
    return update(machine(entry_of(address)), rights ? machine(address) | rights : 0);
}

static void build_space(void)
{
    for (uint32_t at = 0; at < MEMORY; at += PAGE)
        tables[at >> 22][at >> 12 & 1023] = machine((void *)at) | P | W | U;
    for (uint32_t i = 0; i < 4; i++) {
        directory[i] = machine(tables[i]) | P | W | U;
        *entry_of(tables[i]) &= ~(uint32_t)W;
    }
    *entry_of(directory) &= ~(uint32_t)W;
}

/* ---- before there are page tables ---- */

static void numbers(void)
{
    check("no such call", vmm_hypercall(11, 0, 0, 0), VMM_HC_E_NUMBER);
    check("no such call, the last", vmm_hypercall(UINT32_MAX, 0, 0, 0), VMM_HC_E_NUMBER);
    check("mmu before attach", vmm_hypercall(VMM_HC_MMU, 0, 1, 0), VMM_HC_E_STATE);
    check("iret before attach", vmm_hypercall(VMM_HC_IRET, 0, 0, 0), VMM_HC_E_STATE);
    check("yield before attach", vmm_hypercall(VMM_HC_YIELD, 0, 0, 0), VMM_HC_E_STATE);
    check("attach in the middle", vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared + 4, 0, 0),
          VMM_HC_E_ADDRESS);
    check("attach beyond memory", vmm_hypercall(VMM_HC_ATTACH, MEMORY, 0, 0), VMM_HC_E_ADDRESS);
    check("attach at the end", vmm_hypercall(VMM_HC_ATTACH, 0xfffff000, 0, 0), VMM_HC_E_ADDRESS);
    check("attach", vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0), VMM_HC_VERSION);
    check("attach again", vmm_hypercall(VMM_HC_ATTACH, (uint32_t)&shared, 0, 0), VMM_HC_E_STATE);
    check("write too much", vmm_hypercall(VMM_HC_CONSOLE_WRITE, 0, UINT32_MAX, 0),
          VMM_HC_E_ARGUMENT);
    check("read too much", vmm_hypercall(VMM_HC_CONSOLE_READ, 0, 65537, 0), VMM_HC_E_ARGUMENT);
    check("timer of 1", vmm_hypercall(VMM_HC_SET_TIMER, 1, 0, 0), VMM_HC_E_ARGUMENT);
    check("timer of 65536", vmm_hypercall(VMM_HC_SET_TIMER, 65536, 0, 0), VMM_HC_E_ARGUMENT);
}

static int32_t set_gdt(uint64_t last, uint32_t count)
{
    static uint64_t gdt[513] __attribute__((aligned(8))) = {
        [CODE >> 3] = 0x00CF9B000000FFFF,
        [DATA >> 3] = 0x00CF93000000FFFF,
        [USER_CODE >> 3] = 0x00CFFB000000FFFF,
        [USER_DATA >> 3] = 0x00CFF3000000FFFF,
    };
    gdt[5] = last;
    return vmm_hypercall(VMM_HC_SET_GDT, (uint32_t)gdt, count, 0);
}

static int32_t set_traps(uint32_t selectors, uint32_t count)
{
    static struct vmm_hc_trap traps[] = {{13, 0, 1, 0, (uint32_t)on_general},
                                         {14, 0, 1, 0, (uint32_t)on_page},
                                         {0x81, 3, 1, 0, (uint32_t)on_back}};
    return vmm_hypercall(VMM_HC_SET_TRAPS, (uint32_t)traps, count, selectors);
}

static void descriptors(void)
{
    check("empty gdt", set_gdt(0, 0), VMM_HC_E_ARGUMENT);
    check("gdt too long", set_gdt(0, 513), VMM_HC_E_ARGUMENT);
    check("gdt far too long", set_gdt(0, UINT32_MAX), VMM_HC_E_ARGUMENT);
    check("traps before gdt", set_traps(CODE | DATA << 16, 3), VMM_HC_E_ARGUMENT);
    check("call gate", set_gdt(0x0000EC0000080000, 6), VMM_HC_E_ENTRY);
    check("task state", set_gdt(0x0000890000000067, 6), VMM_HC_E_ENTRY);
    check("not accessed", set_gdt(0x00CF92000000FFFF, 6), VMM_HC_E_ENTRY);
    check("gdt", set_gdt(0, 6), 0);
    asm volatile("ljmp %0, $1f\n1:\tmovw %w1, %%ds\n\tmovw %w1, %%es\n\tmovw %w2, %%ss" ::"i"(CODE),
                 "r"(DATA), "r"(DATA | 1)
                 : "memory");
    check("no code", set_traps(0 | DATA << 16, 3), VMM_HC_E_ARGUMENT);
    check("data as code", set_traps(DATA | DATA << 16, 3), VMM_HC_E_ARGUMENT);
    check("user code", set_traps(USER_CODE | DATA << 16, 3), VMM_HC_E_ARGUMENT);
    check("code as stack", set_traps(CODE | CODE << 16, 3), VMM_HC_E_ARGUMENT);
    check("local code", set_traps((CODE | 4) | DATA << 16, 3), VMM_HC_E_ARGUMENT);
    check("beyond the gdt", set_traps(0xfff8 | DATA << 16, 3), VMM_HC_E_ARGUMENT);
    check("traps too many", set_traps(CODE | DATA << 16, 257), VMM_HC_E_ARGUMENT);
    check("traps", set_traps(CODE | DATA << 16, 3), 0);
}

static void before_paging(void)
{
    const uint32_t slot = VMM_HC_SLOT;
    check("write before paging", update(machine(spare), 0), VMM_HC_E_STATE);
    check("pin before paging", update(VMM_HC_PIN_TABLE, machine(spare)), VMM_HC_E_STATE);
    check("switch to a foreign frame", update(VMM_HC_SWITCH, foreign()), VMM_HC_E_OWNER);
    check("switch beyond memory", update(VMM_HC_SWITCH, 0xfffff000), VMM_HC_E_OWNER);
    build_space();
    *entry_of(tables[1]) |= W;
    check("switch, a table writable", update(VMM_HC_SWITCH, machine(directory)), VMM_HC_E_TYPE);
    *entry_of(tables[1]) &= ~(uint32_t)W;
    *entry_of(directory) |= W;
    check("switch, the directory writable", update(VMM_HC_SWITCH, machine(directory)),
          VMM_HC_E_TYPE);
    *entry_of(directory) &= ~(uint32_t)W;
    directory[8] = machine(directory) | P;
    check("switch, a directory as table", update(VMM_HC_SWITCH, machine(directory)), VMM_HC_E_TYPE);
    directory[8] = machine((void *)0x400000) | P | 0x80;
    check("switch, a large page", update(VMM_HC_SWITCH, machine(directory)), VMM_HC_E_ENTRY);
    directory[8] = foreign() | P;
    check("switch, a foreign table", update(VMM_HC_SWITCH, machine(directory)), VMM_HC_E_OWNER);
    directory[8] = 0;
    directory[slot] = machine(tables[0]) | P;
    check("switch, the VMM's slot", update(VMM_HC_SWITCH, machine(directory)), VMM_HC_E_ENTRY);
    directory[slot] = 0;
    *entry_of(&shared) &= ~(uint32_t)W;
    directory[8] = machine(&shared) | P;
    check("switch, the shared page as table", update(VMM_HC_SWITCH, machine(directory)),
          VMM_HC_E_TYPE);
    directory[8] = 0;
    *entry_of(&shared) |= W;
    check("switch", update(VMM_HC_SWITCH, machine(directory)), 0);
}

/* ---- page tables ---- */

static void entries(void)
{
    const uint32_t *spare_entry = entry_of(spare);
    check("a foreign page", update(machine(spare_entry), foreign() | P), VMM_HC_E_OWNER);
    check("a page beyond memory", update(machine(spare_entry), 0xfffff000 | P), VMM_HC_E_OWNER);
    check("a table, writable", update(machine(spare_entry), machine(tables[0]) | P | W),
          VMM_HC_E_TYPE);
    check("a directory, writable", update(machine(spare_entry), machine(directory) | P | W),
          VMM_HC_E_TYPE);
    check("a table, read-only", update(machine(spare_entry), machine(tables[0]) | P), 0);
    check("a global page", update(machine(spare_entry), machine(spare) | P | 0x100),
          VMM_HC_E_ENTRY);
    check("a page as it was", map(spare, P | W), 0);
    check("entry of a data page", update(machine(spare), machine(other) | P), VMM_HC_E_TYPE);
    check("entry of a foreign page", update(foreign(), 0), VMM_HC_E_OWNER);
    check("entry beyond memory", update(0xfffffffc, 0), VMM_HC_E_OWNER);
    check("no such command", update(0x19, 0), VMM_HC_E_ARGUMENT);
    check("not aligned", update(machine(spare_entry) + 2, 0), VMM_HC_E_ARGUMENT);
    check("the VMM's slot", update(machine(&directory[VMM_HC_SLOT]), 0), VMM_HC_E_ENTRY);
    check("a page as table", update(machine(&directory[9]), machine(spare) | P), VMM_HC_E_TYPE);
    check("the shared page as table", map(&shared, P), 0);
    check("the shared page as table", update(machine(&directory[9]), machine(&shared) | P),
          VMM_HC_E_TYPE);
    check("the shared page again", map(&shared, P | W), 0);
}

static void pins(void)
{
    check("pin a writable page", update(VMM_HC_PIN_TABLE, machine(spare)), VMM_HC_E_TYPE);
    check("pin a foreign page", update(VMM_HC_PIN_TABLE, foreign()), VMM_HC_E_OWNER);
    check("pin a table as directory", update(VMM_HC_PIN_DIRECTORY, machine(tables[0])),
          VMM_HC_E_TYPE);
    check("unpin what is not pinned", update(VMM_HC_UNPIN, machine(tables[0])), VMM_HC_E_TYPE);
    check("unpin a foreign page", update(VMM_HC_UNPIN, foreign()), VMM_HC_E_OWNER);
    spare[0] = machine(spare) | P | W;
    map(spare, P);
    check("pin a table of itself", update(VMM_HC_PIN_TABLE, machine(spare)), VMM_HC_E_TYPE);
    map(spare, P | W);
    spare[0] = machine(other) | P | W;
    map(spare, P);
    check("pin", update(VMM_HC_PIN_TABLE, machine(spare)), 0);
    check("pin twice", update(VMM_HC_PIN_TABLE, machine(spare)), VMM_HC_E_TYPE);
    check("what is pinned, writable", map(spare, P | W), VMM_HC_E_TYPE);
    check("unpin", update(VMM_HC_UNPIN, machine(spare)), 0);
    check("unpin twice", update(VMM_HC_UNPIN, machine(spare)), VMM_HC_E_TYPE);
    check("writable again", map(spare, P | W), 0);
    check("pin the root", update(VMM_HC_PIN_DIRECTORY, machine(directory)), 0);
    check("unpin the root", update(VMM_HC_UNPIN, machine(directory)), 0);
    spare[0] = 0;
}

static void batches(void)
{
    static const uint32_t beyond = MEMORY - sizeof(struct vmm_hc_update);
    for (uint32_t i = 0; i < 1100; i++)
        batch[i] = (struct vmm_hc_update){machine(entry_of(spare)), machine(spare) | P | W};
    check("too many", updates((uint32_t)batch, 1025), VMM_HC_E_ARGUMENT);
    check("far too many", updates((uint32_t)batch, UINT32_MAX), VMM_HC_E_ARGUMENT);
    check("none were made", (int32_t)done, 0);
    check("as many as there may be", updates((uint32_t)batch, 1024), 0);
    check("all were made", (int32_t)done, 1024);
    batch[700].value = foreign() | P;
    check("one is bad", updates((uint32_t)batch, 1000), VMM_HC_E_OWNER);
    check("those before it were made", (int32_t)done, 700);
    check("from nowhere", updates(0x80000000, 1), VMM_HC_E_ADDRESS);
    check("from the end of the world", updates(0xfffffff8, 2), VMM_HC_E_ADDRESS);
    *(struct vmm_hc_update *)beyond = batch[0];
    check("over the edge", updates(beyond, 2), VMM_HC_E_ADDRESS);
    check("write from nowhere", vmm_hypercall(VMM_HC_CONSOLE_WRITE, 0x80000000, 1, 0),
          VMM_HC_E_ADDRESS);
    check("read to the VMM", vmm_hypercall(VMM_HC_CONSOLE_READ, VMM_HC_P2M, 1, 0),
          VMM_HC_E_ADDRESS);
    check("read to a page table", vmm_hypercall(VMM_HC_CONSOLE_READ, (uint32_t)tables[0], 1, 0),
          VMM_HC_E_ADDRESS);
    check("gdt from nowhere", vmm_hypercall(VMM_HC_SET_GDT, 0x80000000, 6, 0), VMM_HC_E_ADDRESS);
    check("traps from nowhere", vmm_hypercall(VMM_HC_SET_TRAPS, 0x80000000, 3, CODE | DATA << 16),
          VMM_HC_E_ADDRESS);
}

/* ---- instructions and stores ---- */

#define DO(name, text)                                                                             \
    static void name(void)                                                                         \
    {                                                                                              \
        asm volatile(text ::: "eax", "edx", "memory");                                             \
    }
DO(do_cli, "cli")
DO(do_hlt, "hlt")
DO(do_lidt, "lidt 0")
DO(do_cr3, "movl %%cr3, %%eax")
DO(do_set_cr0, "xorl %%eax, %%eax; movl %%eax, %%cr0")
DO(do_out, "outb %%al, $0x80")
DO(do_exit_port, "outl %%eax, $0xf4")
DO(do_invlpg, "invlpg 0")
DO(do_rdmsr, "rdmsr")
DO(do_store_table, "movl $0, tables")
DO(do_store_p2m, "movl $0, 0xffc00000")
DO(do_store_m2p, "movl $0, 0xffe80000")
DO(do_store_gdt, "movl $0, 0xffd00008")
DO(do_nowhere, "movl 0x80000000, %%eax")

static void instructions(void)
{
    static const struct {
        const char *name;
        void (*code)(void);
        int32_t vector;
    } all[] = {{"cli", do_cli, 13},
               {"hlt", do_hlt, 13},
               {"lidt", do_lidt, 13},
               {"read cr3", do_cr3, 13},
               {"write cr0", do_set_cr0, 13},
               {"out", do_out, 13},
               {"the exit port", do_exit_port, 13},
               {"invlpg", do_invlpg, 13},
               {"rdmsr", do_rdmsr, 13},
               {"store into a page table", do_store_table, 14},
               {"store into P2M", do_store_p2m, 14},
               {"store into M2P", do_store_m2p, 14},
               {"store into the VMM's descriptors", do_store_gdt, 14},
               {"load from nowhere", do_nowhere, 14}};
    for (uint32_t i = 0; i < sizeof all / sizeof *all; i++)
        check(all[i].name, (int32_t)try(all[i].code), all[i].vector);
}

/* ---- iret ---- */

static int32_t iret(uint32_t eip, uint32_t cs, uint32_t esp, uint32_t ss)
{
    int32_t result;
    asm volatile("pushl %[ss]; pushl %[esp]; pushl $2; pushl %[cs]; pushl %[eip]; pushl $0\n\t"
                 "int %[vector]\n\taddl $24, %%esp"
                 : "=a"(result)
                 : "a"(VMM_HC_IRET), [ss] "r"(ss), [esp] "r"(esp), [cs] "r"(cs), [eip] "r"(eip),
                   [vector] "i"(VMM_HC_VECTOR)
                 : "memory");
    return result;
}

static void to_user(void)
{
    static uint32_t stack[256];
    shared.kernel_stack = (uint32_t)(stack + 256);
    iret((uint32_t)user_code, USER_CODE, (uint32_t)user_stack + PAGE, USER_DATA);
}

static void to_user_without_stack(void)
{
    shared.kernel_stack = VMM_HC_P2M + 64;
    iret((uint32_t)user_code, USER_CODE, (uint32_t)user_stack + PAGE, USER_DATA);
}

static void irets(void)
{
    check("iret to no code", iret(0, 0, 0, 0), VMM_HC_E_ARGUMENT);
    check("iret to data", iret(0, DATA, 0, 0), VMM_HC_E_ARGUMENT);
    check("iret to user data", iret(0, USER_DATA, 0, USER_DATA), VMM_HC_E_ARGUMENT);
    check("iret to the VMM", iret(0, 0xfff8, 0, 0), VMM_HC_E_ARGUMENT);
    check("iret to kernel code as user", iret(0, CODE | 3, 0, USER_DATA), VMM_HC_E_ARGUMENT);
    check("iret with a kernel stack", iret(0, USER_CODE, 0, DATA), VMM_HC_E_ARGUMENT);
    check("iret without a stack", iret(0, USER_CODE, 0, 0), VMM_HC_E_ARGUMENT);
    check("iret to user code", (int32_t)try(to_user), 0x81);
}

/* ---- random calls ---- */

static uint32_t seed;

static uint32_t random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    return seed ^= seed << 5;
}

static uint32_t random_page(void)
{
    const void *pages[] = {directory, tables[0], tables[3], spare, other, (const void *)&shared};
    switch (random() % 8) {
    case 0: return foreign();
    case 1: return random();
    default: return machine(pages[random() % 6]);
    }
}

static uint32_t random_entry(void)
{
    return (random_page() & ~0xFFFu) | (random() % 4 ? random() & 7 : random() & 0xFFF);
}

/* Entries of the tables that nobody needs. */
static uint32_t random_target(void)
{
    switch (random() % 8) {
    case 0: return random() & ~3u;
    case 1: return machine(&directory[16 + random() % 1008]);
    case 2: return machine(&spare[random() % 1024]);
    case 3: return machine(&other[random() % 1024]);
    case 4: return (random() % 8) << 2 | 1;
    case 5: return machine(entry_of(other));
    default: return machine(entry_of(spare));
    }
}

static void fuzz(uint32_t n)
{
    while (n--) {
        const uint32_t count = random() % 8;
        for (uint32_t i = 0; i < count; i++) {
            batch[i].target = random_target();
            batch[i].value = batch[i].target & 1 ? random_page() : random_entry();
            /* An empty directory is good enough for the VMM, and the end of us. */
            if (batch[i].target == VMM_HC_SWITCH)
                batch[i].value = random() % 4 ? machine(directory) : foreign();
        }
        updates((uint32_t)batch, count);
        if (random() % 16 == 0)
            vmm_hypercall(random() % 4 ? VMM_HC_CONSOLE_READ : VMM_HC_SET_TIMER, random(),
                          random() % 64, random());
    }
}

/* ---- the command line ---- */

static bool option(const uint32_t *info, const char *key, uint32_t *value)
{
    const char *at = info[0] & 4 ? (const char *)info[4] : "";
    for (; *at; at++) {
        const char *k = key, *a = at;
        while (*k && *a == *k)
            a++, k++;
        if (*k)
            continue;
        for (*value = 0; *a >= '0' && *a <= '9'; a++)
            *value = *value * 10 + (uint32_t)(*a - '0');
        return true;
    }
    return false;
}

int main(uint32_t magic, const uint32_t *info)
{
    uint32_t n = 1000, unused;
    const bool fuzzing = option(info, "fuzz=", &seed),
               no_stack = option(info, "end=stack", &unused),
               no_handler = option(info, "end=handler", &unused);
    (void)magic;
    option(info, "n=", &n);
    numbers();
    descriptors();
    before_paging();
    if (fuzzing)
        fuzz(n);
    if (no_stack)
        try(to_user_without_stack);
    if (no_handler)
        asm volatile("ud2");
    entries();
    pins();
    batches();
    instructions();
    irets();
    vmm_hypercall(VMM_HC_SHUTDOWN, failures, 0, 0);
    return 0;
}
