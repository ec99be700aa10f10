/* Two features: gdb's own for the i386, which must be whole (the floating-point registers are in
 * it, though they are of no concern to a VMM and not shown), and ours with what makes a processor
 * privileged: control registers and the current privilege level. */
#include "shell/gdb/target.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const core[] = {"eax", "ecx",    "edx", "ebx", "esp", "ebp", "esi", "edi",
                                   "eip", "eflags", "cs",  "ss",  "ds",  "es",  "fs",  "gs"};
static const char *const control[] = {"fctrl", "fstat", "ftag",  "fiseg",
                                      "fioff", "foseg", "fooff", "fop"};
static const char *const ours[] = {"cr0", "cr2", "cr3", "cr4", "cpl"};

enum {
    CORE = sizeof core / sizeof *core,
    STACK = 8, /* st0 to st7 */
    CONTROL = sizeof control / sizeof *control,
    OURS = sizeof ours / sizeof *ours,
    STACK_AT = CORE,
    CONTROL_AT = STACK_AT + STACK,
    OURS_AT = CONTROL_AT + CONTROL,
    REGISTERS = OURS_AT + OURS
};

/* Intel SDM volume 1, figure 3-8. */
static const struct {
    const char *name;
    unsigned bit;
} flags[] = {{"CF", 0},  {"", 1},    {"PF", 2},   {"AF", 4},   {"ZF", 6},  {"SF", 7},
             {"TF", 8},  {"IF", 9},  {"DF", 10},  {"OF", 11},  {"NT", 14}, {"RF", 16},
             {"VM", 17}, {"AC", 18}, {"VIF", 19}, {"VIP", 20}, {"ID", 21}};

struct text {
    char *at;
    size_t room;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text->at, text->room, format, arguments);
    va_end(arguments);
    size_t taken = (size_t)length < text->room ? (size_t)length : text->room;
    text->at += taken;
    text->room -= taken;
}

static const char *core_type(const char *name)
{
    if (strcmp(name, "eip") == 0)
        return "code_ptr";
    if (strcmp(name, "esp") == 0 || strcmp(name, "ebp") == 0)
        return "data_ptr";
    return strcmp(name, "eflags") == 0 ? "i386_eflags" : "int32";
}

static void describe(char *xml, size_t room)
{
    struct text text = {xml, room};
    put(&text, "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\">"
               "<target version=\"1.0\"><architecture>i386</architecture>"
               "<feature name=\"org.gnu.gdb.i386.core\"><flags id=\"i386_eflags\" size=\"4\">");
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        put(&text, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>", flags[i].name, flags[i].bit,
            flags[i].bit);
    put(&text, "</flags>");
    for (unsigned i = 0; i < CORE; i++)
        put(&text, "<reg name=\"%s\" bitsize=\"32\" type=\"%s\"/>", core[i], core_type(core[i]));
    for (unsigned i = 0; i < STACK; i++)
        put(&text, "<reg name=\"st%u\" bitsize=\"80\" type=\"i387_ext\"/>", i);
    for (unsigned i = 0; i < CONTROL; i++)
        put(&text, "<reg name=\"%s\" bitsize=\"32\" type=\"int\" group=\"float\"/>", control[i]);
    put(&text, "</feature><feature name=\"vmm.system\">");
    for (unsigned i = 0; i < OURS; i++)
        put(&text, "<reg name=\"%s\" bitsize=\"32\" type=\"uint32\" group=\"general\"/>", ours[i]);
    put(&text, "</feature></target>");
}

const char *target_description(void)
{
    static char xml[8192];
    if (!*xml)
        describe(xml, sizeof xml);
    return xml;
}

unsigned target_registers(void)
{
    return REGISTERS;
}

unsigned target_register_size(unsigned i)
{
    return i >= STACK_AT && i < CONTROL_AT ? 10 : 4;
}

/* NULL for those that the VM does not show. */
static const char *name_of(unsigned i)
{
    if (i < CORE)
        return core[i];
    return i >= OURS_AT && i < REGISTERS ? ours[i - OURS_AT] : NULL;
}

void target_put_register(const struct vmm_vm *vm, unsigned i, struct packet_reply *reply)
{
    const char *name = name_of(i);
    uint32_t value;
    if (!name || !vmm_register(vm, name, &value)) {
        for (unsigned k = 0; k < 2 * target_register_size(i); k++)
            packet_put(reply, "x");
        return;
    }
    for (unsigned k = 0; k < 4; k++)
        packet_put(reply, "%02x", value >> 8 * k & 0xff);
}

int target_set_register(struct vmm_vm *vm, unsigned i, const char **text, struct vmm_error *error)
{
    uint8_t bytes[10];
    unsigned size = target_register_size(i);
    const char *name = name_of(i);
    *error = (struct vmm_error){.code = VMM_E_USAGE, .text = "these are no register's digits"};
    if (**text == 'x') {
        if (strspn(*text, "x") < 2 * size)
            return VMM_E_USAGE;
        *text += 2 * size;
        return VMM_OK;
    }
    if (!packet_bytes(text, bytes, size))
        return VMM_E_USAGE;
    uint32_t before = 0, value = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 |
                                 (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    if (!name) {
        *error = (struct vmm_error){.code = VMM_E_UNSUPPORTED,
                                    .text = "floating-point registers cannot be changed"};
        return VMM_E_UNSUPPORTED;
    }
    if (vmm_register(vm, name, &before) && before == value)
        return VMM_OK;
    return vmm_set_register(vm, name, value, error);
}
