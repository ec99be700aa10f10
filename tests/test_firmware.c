/* The boot-sector loader's firmware, call by call: registers in, INT n, registers out, on a raw
 * engine in real mode with nothing but a board behind it. References: IBM PC/AT technical
 * reference, and the Phoenix Enhanced Disk Drive specification 1.1 for INT 13h, 41h and 42h. */
#include <unicorn/unicorn.h>

#include "board_fixture.h"
#include "vm/loader.h"

#define MEMORY  (32u << 20)
#define SECTORS 3000u

enum { CARRY = 0x01, ZERO = 0x40 };

static uc_engine *engine;
static uint8_t *memory;
static uint8_t disk_image[SECTORS * 512];
static uint64_t now;
static int interrupt; /* the INT n that stopped the engine, or -1 */
static struct {
    uint32_t eax, ebx, ecx, edx, esi, edi, ebp;
    uint16_t ds, es, flags;
} r;

static uint32_t port_in(uc_engine *uc, uint32_t port, int size, void *data)
{
    (void)uc;
    (void)data;
    now += 200;
    board_advance(&board, now);
    return board_in(&board, now, (uint16_t)port, (unsigned)size);
}

static void port_out(uc_engine *uc, uint32_t port, int size, uint32_t value, void *data)
{
    (void)uc;
    (void)data;
    now += 200;
    board_advance(&board, now);
    board_out(&board, now, (uint16_t)port, (unsigned)size, value);
}

static void take_interrupt(uc_engine *uc, uint32_t number, void *data)
{
    (void)data;
    interrupt = (int)number;
    uc_emu_stop(uc);
}

static bool write_memory(void *context, uint32_t gpa, const void *bytes, uint32_t count)
{
    (void)context;
    memcpy(memory + gpa, bytes, count);
    return true;
}

static void set_up(void)
{
    struct vmm_error error;
    struct loader_result result;
    struct loader_memory guest = {.size = MEMORY, .write = write_memory};
    struct loader_request request = {.image = {"disk", disk_image, sizeof disk_image}};
    struct board_console console = {.output = take_output, .input = give_input};
    uc_hook hooks[3];

    for (unsigned i = 0; i < sizeof disk_image; i++)
        disk_image[i] = (uint8_t)(i / 512 * 31 + i % 512);
    disk_image[510] = 0x55;
    disk_image[511] = 0xaa;
    memory = calloc(1, MEMORY);
    cr_assert_eq(loader_load(&request, &guest, &result, &error), VMM_OK, "%s", error.text);
    power_on();
    board_init(&board, MEMORY, &console);
    loader_prepare_board(&result, &board);
    now = 0;
    memset(&r, 0, sizeof r);
    cr_assert_eq(uc_open(UC_ARCH_X86, UC_MODE_16, &engine), UC_ERR_OK);
    cr_assert_eq(uc_mem_map_ptr(engine, 0, MEMORY, UC_PROT_ALL, memory), UC_ERR_OK);
    uc_hook_add(engine, &hooks[0], UC_HOOK_INTR, (void *)take_interrupt, NULL, 1, 0);
    uc_hook_add(engine, &hooks[1], UC_HOOK_INSN, (void *)port_in, NULL, 1, 0, UC_X86_INS_IN);
    uc_hook_add(engine, &hooks[2], UC_HOOK_INSN, (void *)port_out, NULL, 1, 0, UC_X86_INS_OUT);
}

static void tear_down(void)
{
    uc_close(engine);
    free(memory);
}

TestSuite(firmware, .init = set_up, .fini = tear_down);

static uint32_t get_reg(int id)
{
    uint32_t value = 0;
    uc_reg_read(engine, id, &value);
    return value;
}

static void set_reg(int id, uint32_t value)
{
    uc_reg_write(engine, id, &value);
}

static void push(uint16_t value)
{
    uint16_t sp = (uint16_t)(get_reg(UC_X86_REG_SP) - 2);
    set_reg(UC_X86_REG_SP, sp);
    memcpy(memory + sp, &value, 2);
}

/* Delivery through the interrupt vector table, which the raw engine leaves to us. */
static void deliver(unsigned vector)
{
    uint16_t handler[2];
    memcpy(handler, memory + 4 * vector, sizeof handler);
    uint32_t flags = get_reg(UC_X86_REG_EFLAGS);
    push((uint16_t)flags);
    push((uint16_t)get_reg(UC_X86_REG_CS));
    push((uint16_t)get_reg(UC_X86_REG_IP));
    set_reg(UC_X86_REG_EFLAGS, flags & ~0x300u);
    set_reg(UC_X86_REG_CS, handler[1]);
    set_reg(UC_X86_REG_IP, handler[0]);
}

/* Runs until the HLT behind the call, at 0000:0602. */
static void run(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t at = get_reg(UC_X86_REG_CS) * 16 + get_reg(UC_X86_REG_IP);
        if (at == 0x602)
            return;
        interrupt = -1;
        cr_assert_eq(uc_emu_start(engine, at, 0x602, 0, 2000000), UC_ERR_OK);
        if (interrupt >= 0)
            deliver((unsigned)interrupt);
    }
    cr_assert_fail("the call does not return");
}

static const int ids[] = {UC_X86_REG_EAX, UC_X86_REG_EBX, UC_X86_REG_ECX, UC_X86_REG_EDX,
                          UC_X86_REG_ESI, UC_X86_REG_EDI, UC_X86_REG_EBP};

static void call(unsigned vector)
{
    uint32_t *values[] = {&r.eax, &r.ebx, &r.ecx, &r.edx, &r.esi, &r.edi, &r.ebp};
    memory[0x600] = 0xcd;
    memory[0x601] = (uint8_t)vector;
    memory[0x602] = 0xf4;
    uc_ctl_remove_cache(engine, 0x600, 0x603);
    for (unsigned i = 0; i < 7; i++)
        set_reg(ids[i], *values[i]);
    set_reg(UC_X86_REG_CS, 0);
    set_reg(UC_X86_REG_SS, 0);
    set_reg(UC_X86_REG_DS, r.ds);
    set_reg(UC_X86_REG_ES, r.es);
    set_reg(UC_X86_REG_SP, 0x7c00);
    set_reg(UC_X86_REG_EFLAGS, 0x202 | r.flags);
    set_reg(UC_X86_REG_IP, 0x600);
    run();
    for (unsigned i = 0; i < 7; i++)
        *values[i] = get_reg(ids[i]);
    r.ds = (uint16_t)get_reg(UC_X86_REG_DS);
    r.es = (uint16_t)get_reg(UC_X86_REG_ES);
    r.flags = (uint16_t)get_reg(UC_X86_REG_EFLAGS);
    cr_assert_eq(get_reg(UC_X86_REG_SP), 0x7c00, "the stack is balanced");
}

static unsigned ah(void)
{
    return r.eax >> 8 & 0xff;
}

Test(firmware, teletype)
{
    r.eax = 0x0e48;
    r.ebx = 0x1234;
    call(0x10);
    r.eax = 0x0e69;
    call(0x10);
    cr_assert_str_eq(console_text, "Hi");
    cr_assert_eq(r.eax, 0x0e69);
    cr_assert_eq(r.ebx, 0x1234);
}

Test(firmware, video_mode_and_strings)
{
    r.eax = 0x0f00;
    call(0x10);
    cr_assert_eq(r.eax & 0xffff, 0x5003);
    memcpy(memory + 0x20010, "text", 4);
    r.eax = 0x1301;
    r.ecx = 4;
    r.es = 0x2000;
    r.ebp = 0x10;
    call(0x10);
    cr_assert_str_eq(console_text, "text");
    cr_assert_eq(r.ecx, 4);
    memcpy(memory + 0x20010, "a\7b\7", 4);
    r.eax = 0x1303;
    r.ecx = 2;
    call(0x10);
    cr_assert_str_eq(console_text, "textab");
}

/* LBA = (cylinder * heads + head) * sectors + sector - 1, with 16 heads and 63 sectors. */
Test(firmware, disk_read_by_cylinder)
{
    r.eax = 0x0203;
    r.ecx = 0x0105; /* cylinder 1, sector 5 */
    r.edx = 0x0280; /* head 2 */
    r.es = 0x2000;
    r.ebx = 0xfe00; /* three sectors from here cross 64 KB: no wrap */
    call(0x13);
    cr_assert_eq(r.flags & CARRY, 0);
    cr_assert_eq(r.eax, 0x0003);
    cr_assert_eq(memcmp(memory + 0x2fe00, disk_image + (16 + 2) * 63 * 512 + 4 * 512, 3 * 512), 0);
    cr_assert_eq(memory[0x2fe00 + 3 * 512], 0);
    cr_assert_eq(r.ebx, 0xfe00);
    cr_assert_eq(r.es, 0x2000);
    cr_assert_eq(r.ecx, 0x0105);
}

Test(firmware, disk_read_by_packet)
{
    static const uint8_t packet[16] = {16, 0, 2, 0, 0x00, 0x01, 0x00, 0x30, 0xb6, 0x0b};
    memcpy(memory + 0x10000, packet, sizeof packet); /* 2 sectors, 3000:0100, LBA 2998 */
    r.eax = 0x4200;
    r.edx = 0x80;
    r.ds = 0x1000;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, 0);
    cr_assert_eq(ah(), 0);
    cr_assert_eq(memcmp(memory + 0x30100, disk_image + 2998 * 512, 1024), 0);
    cr_assert_eq(r.ds, 0x1000);
    memory[0x10002] = 3; /* one more than there is */
    r.eax = 0x4200;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, CARRY);
    cr_assert_eq(ah(), 4, "sector not found");
    memory[0x10002] = 1;
    memory[0x1000c] = 1; /* a sector number beyond 32 bits */
    r.eax = 0x4200;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, CARRY);
}

Test(firmware, disk_errors)
{
    static const struct {
        uint16_t ax, cx, dx;
        uint8_t error;
    } rows[] = {
        {0x0201, 0x0001, 0x0081, 1},                              /* no such drive */
        {0x0200, 0x0001, 0x0080, 1},                              /* nothing to read */
        {0x0201, 0x0000, 0x0080, 1},                              /* sectors count from 1 */
        {0x0201, 0xff01, 0x0080, 4},                              /* behind the end */
        {0x0301, 0x0001, 0x0080, 3},                              /* write-protected */
        {0x4300, 0x0001, 0x0080, 3}, {0x7700, 0x0001, 0x0080, 1}, /* no such function */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        r.eax = rows[i].ax;
        r.ecx = rows[i].cx;
        r.edx = rows[i].dx;
        r.es = 0x2000;
        r.flags = 0;
        call(0x13);
        cr_assert_eq(r.flags & CARRY, CARRY, "row %zu", i);
        cr_assert_eq(ah(), rows[i].error, "row %zu", i);
        cr_assert_eq(memory[0x20000], 0);
    }
}

Test(firmware, disk_geometry)
{
    r.eax = 0x0800;
    r.edx = 0x80;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, 0);
    cr_assert_eq(r.ecx & 0xffff, 0x023f, "cylinders 0 to 2, 63 sectors");
    cr_assert_eq(r.edx & 0xffff, 0x0f01, "heads 0 to 15, one drive");
    r.eax = 0x1500;
    r.edx = 0x80;
    call(0x13);
    cr_assert_eq(ah(), 3);
    cr_assert_eq((r.ecx & 0xffff) << 16 | (r.edx & 0xffff), SECTORS);
    r.eax = 0x4100;
    r.ebx = 0x55aa;
    r.edx = 0x80;
    call(0x13);
    cr_assert_eq(r.ebx, 0xaa55);
    cr_assert_eq(r.ecx & 1, 1);
    cr_assert_eq(r.flags & CARRY, 0);
    r.eax = 0x0000;
    r.flags = CARRY;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, 0);
}

/* A boot sector made for a diskette reads by the diskette's geometry, and more than its file has.
 */
Test(firmware, a_short_image_is_a_diskette)
{
    disk_insert(&board.disk, disk_image, 40 * 512 + 100);
    memset(memory + 0x20000, 0xff, 5 * 512);
    r.eax = 0x0205;
    r.ecx = 0x0001 | 0x0100; /* cylinder 1, sector 1: the 37th; the file ends in the 41st */
    r.edx = 0x0000;
    r.es = 0x2000;
    r.ebx = 0;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, 0);
    cr_assert_eq(memcmp(memory + 0x20000, disk_image + 36 * 512, 4 * 512 + 100), 0);
    for (unsigned i = 4 * 512 + 100; i < 5 * 512; i++)
        cr_assert_eq(memory[0x20000 + i], 0);
    r.eax = 0x0201;
    r.ecx = 0x4f12; /* cylinder 79, sector 18 */
    r.edx = 0x0100;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, 0, "the last sector");
    r.eax = 0x0201;
    r.ecx = 0x5001;
    r.edx = 0x0000;
    call(0x13);
    cr_assert_eq(r.flags & CARRY, CARRY);
    cr_assert_eq(ah(), 4, "sector not found");
}

Test(firmware, memory_sizes)
{
    call(0x12);
    cr_assert_eq(r.eax, 639);
    r.eax = 0x8800;
    call(0x15);
    cr_assert_eq(r.eax, 31 * 1024);
    r.eax = 0xe801;
    call(0x15);
    cr_assert_eq(r.eax, 0x3c00);
    cr_assert_eq(r.ebx, 256, "16 MB above 16 MB");
    cr_assert_eq(r.flags & CARRY, 0);
}

Test(firmware, memory_map)
{
    static const uint32_t expected[4][3] = {{0, 0x9fc00, 1},
                                            {0x9fc00, 0x400, 2},
                                            {0xf0000, 0x10000, 2},
                                            {0x100000, MEMORY - 0x100000, 1}};
    r.ebx = 0;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t entry[5];
        r.eax = 0xe820;
        r.ecx = 20;
        r.edx = 0x534d4150;
        r.es = 0x2000;
        r.edi = 0x40;
        memset(memory + 0x20040, 0xee, 24);
        call(0x15);
        memcpy(entry, memory + 0x20040, sizeof entry);
        cr_assert_eq(r.flags & CARRY, 0);
        cr_assert_eq(r.eax, 0x534d4150);
        cr_assert_eq(r.ecx, 20);
        cr_assert_eq(entry[0], expected[i][0]);
        cr_assert_eq(entry[2], expected[i][1]);
        cr_assert_eq(entry[4], expected[i][2]);
        cr_assert_eq(entry[1] | entry[3], 0);
        cr_assert_eq(memory[0x20054], 0xee, "20 bytes and no more");
        cr_assert_eq(r.ebx, i == 3 ? 0 : i + 1);
    }
    r.eax = 0xe820;
    r.ebx = 4;
    call(0x15);
    cr_assert_eq(r.flags & CARRY, CARRY);
}

Test(firmware, a20_and_unknown_services)
{
    r.eax = 0x2402;
    call(0x15);
    cr_assert_eq(r.eax & 0xffff, 0x0001);
    r.eax = 0x2401;
    call(0x15);
    cr_assert_eq(r.flags & CARRY, 0);
    r.eax = 0x5300;
    call(0x15);
    cr_assert_eq(r.flags & CARRY, CARRY);
    cr_assert_eq(ah(), 0x86);
}

Test(firmware, keys_come_from_the_console)
{
    r.eax = 0x0100;
    call(0x16);
    cr_assert_eq(r.flags & ZERO, ZERO, "no key");
    console_input = "k\n";
    r.eax = 0x0000;
    call(0x16);
    cr_assert_eq(r.eax & 0xff, 'k');
    for (unsigned i = 0; i < 10000; i++) {
        r.eax = 0x0100;
        call(0x16);
        if (!(r.flags & ZERO))
            break;
    }
    cr_assert_eq(r.eax & 0xff, 13, "Enter, looked at");
    r.eax = 0x1000;
    call(0x16);
    cr_assert_eq(r.eax & 0xff, 13, "and taken");
    r.eax = 0x0200;
    call(0x16);
    cr_assert_eq(r.eax & 0xff, 0);
}

Test(firmware, ticks_and_date)
{
    call(0x08);
    call(0x08);
    r.eax = 0x0000;
    call(0x1a);
    cr_assert_eq(r.edx & 0xffff, 2);
    cr_assert_eq(r.ecx & 0xffff, 0);
    r.eax = 0x0400;
    call(0x1a);
    cr_assert_eq(r.ecx & 0xffff, 0x2026);
    cr_assert_eq(r.edx & 0xffff, 0x0101);
    r.eax = 0x0200;
    call(0x1a);
    cr_assert_eq(r.ecx & 0xffff, 0);
    cr_assert_eq(r.flags & CARRY, 0);
}

Test(firmware, interrupt_handlers_end_their_interrupts)
{
    out(0x21, 0x00);
    out(0xa1, 0x00);
    pic_set_line(&board.pic, 12, true);
    cr_assert_eq(board_acknowledge(&board), 0x74);
    call(0x74);
    cr_assert_eq(board.pic.chip[0].isr | board.pic.chip[1].isr, 0);
    kbc_key(&board.kbc, 0x1e, true);
    cr_assert_eq(board_acknowledge(&board), 0x09);
    call(0x09);
    cr_assert_eq(board.pic.chip[0].isr, 0);
    cr_assert_not(board.kbc.full, "the key was read");
}
