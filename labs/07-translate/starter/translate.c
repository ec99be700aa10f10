/* Lab 7: a binary translator. README.md has the steps; <vmm/translator.h> the interface. */
#include "lab.h"

static enum vmm_translate_end translate(void *context, const struct vmm_code *code,
                                        struct vmm_draft *draft)
{
    (void)context;
    (void)code;
    (void)draft;
    /* Not written yet: the virtual machine stops. */
    return VMM_TRANSLATE_MISSING;
}

static const struct vmm_translator translator = {.translate = translate};

const struct lab_module lab_modules[] = {
    {"interpreter.translator", .translator = &translator},
    {NULL},
};
