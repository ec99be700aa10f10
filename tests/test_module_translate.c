/* The slot "interpreter.translator": a module that leaves what an instruction becomes to the
 * library and links units by itself (Bruening 2004, section 2.2), one that asks for what cannot be,
 * and one that says anything at all. Whether a whole translator is right, labs/07-translate finds
 * out. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vmm/vmm.h>

TestSuite(module_translate, .timeout = 120);

/* 100000: mov $20, %ecx; 100005: add %ecx, %eax; jmp 10000a (over a byte); 10000a: dec %ecx;
 * jnz 100005; pushf; call 100016; 100013: mov $5, %al; jmp; 100016: ret */
static const uint8_t code[] = {
    0xb9, 0x14, 0,    0,    0,    /* 00: mov $20, %ecx */
    0x01, 0xc8,                   /* 05: add %ecx, %eax */
    0xeb, 0x01,                   /* 07: jmp 0a */
    0xcc,                         /* 09 */
    0x49,                         /* 0a: dec %ecx */
    0x75, 0xf8,                   /* 0b: jnz 05 */
    0xbc, 0x00, 0x00, 0x18, 0,    /* 0d: mov $0x180000, %esp */
    0x9c,                         /* 12: pushf */
    0xe8, 0x05, 0x00, 0x00, 0,    /* 13: call 1d */
    0xb0, 0x05, 0xe6, 0xf4, 0xf4, /* 18: mov $5, %al; out %al, $0xf4; hlt */
    0xc3,                         /* 1d: ret */
};

static struct vmm_vm *start(const char *technique, const void *bytes, size_t size, const char *kind)
{
    const struct vmm_config config = {.memory_size = 4 << 20, .technique = technique};
    const struct vmm_image image = {.kind = kind, .file = {.bytes = bytes, .size = (uint32_t)size}};
    struct vmm_error error;
    struct vmm_vm *vm = vmm_create(&config, &error);
    cr_assert_not_null(vm, "%s", error.text);
    cr_assert_eq(vmm_load(vm, &image, &error), VMM_OK, "%s", error.text);
    return vm;
}

static struct vmm_vm *small(void)
{
    return start("bt", code, sizeof code, "flat@0x100000");
}

/* ---- links of one's own ---- */

struct links {
    uint32_t leads_to[VMM_EXITS];
    unsigned asked, cut, flushed;
    bool never;
};

static enum vmm_translate_end standard(void *context, const struct vmm_code *source,
                                       struct vmm_draft *draft)
{
    (void)context;
    (void)source;
    (void)draft;
    return VMM_TRANSLATE_STANDARD;
}

static bool link_exit(void *context, const struct vmm_exit *exit)
{
    struct links *links = context;
    links->asked++;
    cr_assert_lt(exit->exit, VMM_EXITS);
    cr_assert(exit->from && exit->to);
    cr_assert_eq(links->leads_to[exit->exit], 0, "nobody asks twice for what is linked");
    if (!links->never)
        links->leads_to[exit->exit] = exit->to;
    return !links->never;
}

static void unlink_unit(void *context, uint32_t unit, struct vmm_exits *exits)
{
    struct links *links = context;
    for (uint32_t exit = 0; exit < VMM_EXITS; exit++)
        if (links->leads_to[exit] == unit) {
            vmm_exits_cut(exits, exit);
            links->leads_to[exit] = 0;
            links->cut++;
        }
}

static bool stale(void *context, const struct vmm_unit *unit, uint32_t address, uint32_t count)
{
    (void)context;
    cr_assert_eq(count, 4);
    cr_assert_eq(address % 4, 0);
    return address < unit->linear + unit->length && unit->linear < address + count;
}

static void flushed(void *context)
{
    struct links *links = context;
    memset(links->leads_to, 0, sizeof links->leads_to);
    links->flushed++;
}

static const struct vmm_translator linking = {standard, link_exit, unlink_unit, stale, flushed};

static struct vmm_translation translation(const struct vmm_vm *vm)
{
    struct vmm_translation t;
    cr_assert(vmm_translation(vm, &t));
    return t;
}

Test(module_translate, exits_are_linked_once_and_units_found_each_time_without)
{
    static struct links links, never = {.never = true};
    struct vmm_vm *vm = small(), *other = small(),
                  *bare = start("bare", code, sizeof code, "flat@0x100000");
    cr_assert_eq(vmm_module_replace_translator(vm, &linking, &links, NULL), VMM_OK);
    cr_assert_eq(vmm_module_replace_translator(other, &linking, &never, NULL), VMM_OK);
    cr_assert_eq(vmm_run(bare, 1000), VMM_STOP_EXIT);
    cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_EXIT);
    cr_assert_eq(vmm_run(other, 1000), VMM_STOP_EXIT);
    cr_assert_eq(vmm_digest(vm), vmm_digest(bare));
    cr_assert_eq(vmm_digest(other), vmm_digest(bare));
    cr_assert_eq(links.flushed, 1, "before anything else");
    cr_assert_eq(links.asked, 4, "the two jumps, the loop's and the call");
    cr_assert_gt(never.asked, 38);
    cr_assert_lt(translation(vm).lookups + 30, translation(other).lookups);
    vmm_destroy(vm);
    vmm_destroy(other);
    vmm_destroy(bare);
}

/* Code that is written, remapped, given back: tests/guests/smc.c, and the kernel. */
Test(module_translate, a_guest_does_not_notice_who_links)
{
    static const char *const guests[] = {"smc", "kernel"};
    static uint8_t bytes[1 << 20];
    static struct links links;
    const char *build = getenv("VMM_BUILD");
    for (unsigned i = 0; i < sizeof guests / sizeof *guests; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/guests/%s.elf", build ? build : "build", guests[i]);
        FILE *file = fopen(path, "rb");
        if (!file)
            cr_skip("%s is not built", path);
        size_t size = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        struct vmm_vm *own = start("bt", bytes, size, "auto"),
                      *vm = start("bt", bytes, size, "auto");
        links.cut = 0;
        cr_assert_eq(vmm_module_replace_translator(vm, &linking, &links, NULL), VMM_OK);
        vmm_run(own, 10000000);
        cr_assert_eq(vmm_run(vm, 10000000), VMM_STOP_EXIT, "%s: %s", guests[i], vmm_stop_text(vm));
        cr_assert_eq(vmm_digest(vm), vmm_digest(own), "%s", guests[i]);
        cr_assert_eq(translation(vm).killed > 0, links.cut > 0, "%s", guests[i]);
        vmm_destroy(vm);
        vmm_destroy(own);
    }
}

/* ---- what cannot be ---- */

struct odd {
    const char *says;
    uint32_t address; /* of the unit that is odd; in all others everything is called out for */
    unsigned count;
    struct vmm_op op[2];
    int end;
};

static enum vmm_translate_end odd(void *context, const struct vmm_code *source,
                                  struct vmm_draft *draft)
{
    const struct odd *o = context;
    struct vmm_code_instruction insn;
    vmm_code_at(source, source->address, &insn);
    draft->count = 1;
    draft->op[0] = (struct vmm_op){.kind = VMM_OP_CALL_OUT, .length = insn.length};
    if (source->address != 0x100000 + o->address)
        return VMM_TRANSLATED;
    draft->count = o->count;
    memcpy(draft->op, o->op, sizeof o->op);
    return (enum vmm_translate_end)o->end;
}

Test(module_translate, nonsense_stops_the_guest_with_a_sentence)
{
    static const struct odd odds[] = {
        {"made a unit of 0 instructions at 0x00100000", 0, 0, {{0}}, 0},
        {"made a unit of 33 instructions", 0, 33, {{0}}, 0},
        {"takes the instruction at 0x00100000 for 4 bytes; it has 5", 0, 1, {{.length = 4}}, 0},
        {"an op of kind 99", 0, 1, {{.kind = 99, .length = 5}}, 0},
        {"copied the instruction at 0x00100007, which goes elsewhere", 7, 1, {{.length = 2}}, 0},
        {"copied the instruction at 0x0010001d, which goes elsewhere", 0x1d, 1, {{.length = 1}}, 0},
        {"went on at 0x00100009, behind an op that nothing falls through",
         7,
         2,
         {{.kind = VMM_OP_JUMP, .length = 2, .target = 0x10000a}, {.length = 1}},
         0},
        {"word 1 of the processor", 0, 1, {{.kind = VMM_OP_READ, .length = 5, .word = 1}}, 0},
        {"word 14 of the processor",
         0,
         1,
         {{.kind = VMM_OP_PUSH, .length = 5, .word = VMM_WORD_SELECTOR + 6}},
         0},
        {"general register 8", 0, 1, {{.kind = VMM_OP_READ, .length = 5, .gpr = 8}}, 0},
        {"releases 101 bytes at 0x0010001d",
         0x1d,
         1,
         {{.kind = VMM_OP_RET, .length = 1, .value = 101}},
         0},
        {"the condition or operand of the instruction at 0x00100000",
         0,
         1,
         {{.kind = VMM_OP_BRANCH, .length = 5}},
         0},
        {"the condition or operand of the instruction at 0x0010001d",
         0x1d,
         1,
         {{.kind = VMM_OP_JUMP_INDIRECT, .length = 1}},
         0},
        {"no such end", 0, 1, {{.length = 5}}, 77},
    };
    for (size_t i = 0; i < sizeof odds / sizeof *odds; i++) {
        const struct vmm_translator translator = {.translate = odd};
        struct vmm_vm *vm = small();
        cr_assert_eq(vmm_module_replace_translator(vm, &translator, (void *)&odds[i], NULL),
                     VMM_OK);
        cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE, "%s", odds[i].says);
        cr_assert_not_null(strstr(vmm_stop_text(vm), odds[i].says), "%s", vmm_stop_text(vm));
        cr_assert_not_null(
            strstr(vmm_stop_text(vm), "Module interpreter.translator misbehaved: it"));
        vmm_destroy(vm);
    }
}

/* An instruction that goes on in a page which is not there. */
static void load_half(struct vmm_vm *vm)
{
    enum { DIRECTORY = 0x200000, TABLE = 0x201000 };
    static const uint8_t half[] = {0xb8, 1}; /* mov $.., %eax */
    const uint32_t pde = TABLE + 7;
    vmm_write_physical(vm, DIRECTORY, &pde, sizeof pde);
    for (uint32_t page = 0; page < 1024; page++) {
        uint32_t pte = page << 12 | 7;
        vmm_write_physical(vm, TABLE + page * 4, &pte, sizeof pte);
    }
    vmm_write_physical(vm, 0x3ffffe, half, sizeof half);
}

Test(module_translate, what_cannot_be_read_is_called_out_for)
{
    static const struct odd copied = {"translated what cannot be read", 0, 1, {{.length = 0}}, 0};
    static const struct odd called_out = {NULL, 0, 1, {{.kind = VMM_OP_CALL_OUT, .length = 0}}, 0};
    static const uint8_t jump[] = {
        0xb8, 0,    0,    0x20, 0,    /* 00: mov $DIRECTORY, %eax */
        0x0f, 0x22, 0xd8,             /* 05: mov %eax, %cr3 */
        0x0f, 0x20, 0xc0,             /* 08: mov %cr0, %eax */
        0x0d, 0,    0,    0,    0x80, /* 0b: or $0x80000000, %eax */
        0x0f, 0x22, 0xc0,             /* 10: mov %eax, %cr0 */
        0xe9, 0xe6, 0xff, 0x2f, 0,    /* 13: jmp to the last two bytes of the page */
    };
    for (unsigned i = 0; i < 2; i++) {
        struct odd o = i ? called_out : copied;
        const struct vmm_translator translator = {.translate = odd};
        struct vmm_vm *vm = start("bt", jump, sizeof jump, "flat@0x100000");
        o.address = 0x2ffffe;
        load_half(vm);
        cr_assert_eq(vmm_module_replace_translator(vm, &translator, &o, NULL), VMM_OK);
        vmm_run(vm, 10);
        cr_assert_eq(strstr(vmm_stop_text(vm), "cannot be read") != NULL, i == 0, "%s",
                     vmm_stop_text(vm));
        vmm_destroy(vm);
    }
}

static void cut_anything(void *context, uint32_t unit, struct vmm_exits *exits)
{
    (void)context;
    vmm_exits_cut(exits, unit + 60000);
}

Test(module_translate, an_exit_that_there_is_not_cannot_be_cut)
{
    static struct links links;
    /* movb $0x90, 0x100000; jmp . */
    static const uint8_t writes[] = {0xc6, 5, 0, 0, 0x10, 0, 0x90, 0xeb, 0xfe};
    const struct vmm_translator translator = {
        .translate = standard, .link = link_exit, .unlink = cut_anything};
    struct vmm_vm *vm = start("bt", writes, sizeof writes, "flat@0x100000");
    cr_assert_eq(vmm_module_replace_translator(vm, &translator, &links, NULL), VMM_OK);
    cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_FAILURE);
    cr_assert_not_null(strstr(vmm_stop_text(vm), "cut exit number 600"), "%s", vmm_stop_text(vm));
    vmm_destroy(vm);
}

/* ---- anything at all ---- */

static uint32_t draw(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static bool can_be_copied(const struct vmm_code_instruction *insn)
{
    return insn->length && insn->kind != VMM_CODE_INVALID && insn->kind < VMM_CODE_CALL_FAR &&
           (insn->kind < VMM_CODE_IRET || insn->kind > VMM_CODE_ICEBP);
}

/* An op that is possible, but need have nothing to do with its instruction. */
static void random_op(uint32_t *seed, const struct vmm_code_instruction *insn, struct vmm_op *op)
{
    static const uint8_t words[] = {0, 2, 3, 4, 8, 9, 10, 11, 12, 13};
    uint32_t near = insn->address + insn->length + insn->immediate;
    *op = (struct vmm_op){.kind = draw(seed) % 8 ? VMM_OP_COPY : draw(seed) % (VMM_OP_RET + 1),
                          .length = insn->length,
                          .gpr = draw(seed) % 8,
                          .word = words[draw(seed) % sizeof words],
                          .target = draw(seed) % 8 ? near : draw(seed),
                          .value = draw(seed) % (VMM_RET_MOST + 1)};
    bool branch = insn->kind == VMM_CODE_JCC || insn->kind == VMM_CODE_LOOP;
    bool indirect = insn->kind == VMM_CODE_JMP_INDIRECT || insn->kind == VMM_CODE_CALL_INDIRECT;
    if (branch)
        op->kind = VMM_OP_BRANCH;
    else if (op->kind == VMM_OP_BRANCH)
        op->kind = VMM_OP_CALL;
    if (!(indirect && insn->operand_size == 4) &&
        (op->kind == VMM_OP_JUMP_INDIRECT || op->kind == VMM_OP_CALL_INDIRECT))
        op->kind = VMM_OP_JUMP;
    if ((op->kind == VMM_OP_COPY && !can_be_copied(insn)) || !insn->length)
        op->kind = VMM_OP_CALL_OUT;
}

static enum vmm_translate_end random_unit(void *context, const struct vmm_code *source,
                                          struct vmm_draft *draft)
{
    uint32_t *seed = context, at = source->address, most = draw(seed) % VMM_UNIT_OPS + 1;
    while (draft->count < most && (at ^ source->address) < 4096) {
        struct vmm_code_instruction insn;
        struct vmm_op *op = &draft->op[draft->count++];
        vmm_code_at(source, at, &insn);
        random_op(seed, &insn, op);
        at += insn.length;
        if (op->kind == VMM_OP_CALL_OUT || (op->kind >= VMM_OP_JUMP && op->kind != VMM_OP_BRANCH))
            break;
    }
    return VMM_TRANSLATED;
}

static bool random_answer(void *context, const struct vmm_exit *exit)
{
    (void)exit;
    return draw(context) & 1;
}

static void random_cuts(void *context, uint32_t unit, struct vmm_exits *exits)
{
    (void)unit;
    if (draw(context) % 2)
        vmm_exits_cut(exits, 0);
}

static bool random_stale(void *context, const struct vmm_unit *unit, uint32_t address,
                         uint32_t count)
{
    (void)unit;
    return (draw(context) ^ address ^ count) & 1;
}

Test(module_translate, a_translator_at_random_does_the_host_no_harm)
{
    static const struct vmm_translator translator = {random_unit, random_answer, random_cuts,
                                                     random_stale, NULL};
    static uint8_t bytes[1 << 20];
    const char *build = getenv("VMM_BUILD");
    char path[512];
    snprintf(path, sizeof path, "%s/guests/smc.elf", build ? build : "build");
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (!file)
        cr_skip("%s is not built", path);
    fclose(file);
    unsigned units = 0, misbehaved = 0;
    for (uint32_t i = 1; i <= 150; i++) {
        uint32_t seed = i * 2654435761u;
        struct vmm_vm *vm = i % 3 ? start("bt", bytes, size, "auto") : small();
        cr_assert_eq(vmm_module_replace_translator(vm, &translator, &seed, NULL), VMM_OK);
        enum vmm_stop stop = vmm_run(vm, 20000);
        cr_assert_neq(stop, VMM_STOP_NONE);
        misbehaved += strstr(vmm_stop_text(vm), "misbehaved") != NULL;
        units += (unsigned)translation(vm).units;
        vmm_destroy(vm);
    }
    cr_assert_lt(misbehaved, 15, "%u", misbehaved);
    cr_assert_gt(units, 1000);
}

/* ---- the slot ---- */

Test(module_translate, a_slot_that_is_emptied_and_filled_again)
{
    struct vmm_error error;
    const struct vmm_translator none = {.translate = NULL};
    struct vmm_vm *vm = small(), *trap = start("trap", code, sizeof code, "flat@0x100000");
    cr_assert_eq(vmm_module_state(trap, "interpreter.translator"), VMM_MODULE_UNKNOWN);
    cr_assert_eq(vmm_module_replace_translator(trap, &linking, NULL, &error), VMM_E_UNSUPPORTED);
    cr_assert_eq(vmm_module_replace_translator(vm, &none, NULL, &error), VMM_E_USAGE);
    cr_assert_eq(vmm_run(vm, 10), VMM_STOP_LIMIT);
    cr_assert_eq(vmm_module_remove(vm, "interpreter.translator", &error), VMM_OK);
    cr_assert_eq(vmm_module_state(vm, "interpreter.translator"), VMM_MODULE_MISSING);
    cr_assert_eq(vmm_run(vm, 10), VMM_STOP_FAILURE);
    cr_assert_not_null(strstr(vmm_stop_text(vm), "Module missing: this virtual machine has no "
                                                 "interpreter.translator, at 0x001000"));
    vmm_destroy(vm);
    vm = small();
    cr_assert_eq(vmm_module_remove(vm, "interpreter.translator", &error), VMM_OK);
    cr_assert_eq(vmm_module_restore(vm, "interpreter.translator", &error), VMM_OK);
    cr_assert_eq(vmm_module_state(vm, "interpreter.translator"), VMM_MODULE_STANDARD);
    cr_assert_eq(vmm_run(vm, 1000), VMM_STOP_EXIT);
    vmm_destroy(vm);
    vmm_destroy(trap);
}
