/* What a VM's configuration says to hardware assist, and what can be seen of it: the names of
 * intercepts, the VMCB field by field. */
#include "hardware.h"

#include <string.h>

#include "dispatcher/hw.h"
#include "vm.h"
#include "vm/error.h"
#include "vmm/debug.h"

static int refuse_intercept(struct vmm_error *error, const char *bad, size_t length)
{
    return error_set(error, VMM_E_USAGE,
                     "There is no intercept '%.*s'; vmm_intercept lists the names, such as cr3, "
                     "cpuid, pf or default.",
                     (int)length, bad);
}

int hardware_options(const struct vmm_config *config, const struct technique *technique,
                     struct technique_options *options, struct vmm_error *error)
{
    const char *bad;
    size_t length;
    *options = (struct technique_options){.intercepts = vmcb_default_intercepts(),
                                          .shadow = config->mmu == VMM_MMU_SHADOW};
    vmcb_intercept(&options->intercepts, VMCB_EXIT_VMRUN);
    if (!technique->assisted && (config->intercepts || config->mmu != VMM_MMU_DEFAULT))
        return error_set(error, VMM_E_USAGE,
                         "The technique '%s' has no %s to choose; that is for hw.", technique->name,
                         config->intercepts ? "intercepts" : "kind of paging");
    if (config->intercepts &&
        !vmcb_parse_intercepts(config->intercepts, &options->intercepts, &bad, &length))
        return refuse_intercept(error, bad, length);
    return VMM_OK;
}

const char *vmm_intercept(size_t i)
{
    return vmcb_intercept_option(i);
}

bool vmm_vmcb_field(const struct vmm_vm *vm, size_t i, struct vmm_vmcb_field *field)
{
    const struct vmcb *vmcb = hw_look(&vm->dispatcher);
    const struct vmcb_field *known = vmcb ? vmcb_field(i) : 0;
    if (!known)
        return false;
    *field = (struct vmm_vmcb_field){
        .name = known->name,
        .intel = known->intel,
        .offset = known->offset,
        .bytes = known->bytes,
        .value = vmcb_get(vmcb, known->offset, known->bytes),
    };
    field->idle = known->hidden && !field->value;
    return true;
}

bool vmm_intercepted(const struct vmm_vm *vm, size_t i, struct vmm_intercepted *intercepted)
{
    const struct vmcb *vmcb = hw_look(&vm->dispatcher);
    for (unsigned code = 0; vmcb && code < VMCB_EXIT_BITS; code++) {
        const struct vmcb_exit_name *name = vmcb_exit_name(code);
        if (!vmcb_intercepts(vmcb, code) || !name->option || i--)
            continue;
        *intercepted = (struct vmm_intercepted){
            .name = name->option, .exit = name->amd, .intel = name->intel, .code = code};
        return true;
    }
    return false;
}

bool vmm_nested_walks(const struct vmm_vm *vm, struct vmm_nested_walks *walks)
{
    const struct dispatcher *d = &vm->dispatcher;
    const struct hw *hw = d->technique->assisted ? d->own : 0;
    if (!hw || !hw->nested)
        return false;
    struct nested_statistics s = nested_statistics(hw->nested);
    *walks = (struct vmm_nested_walks){.pages = d->walks.pages,
                                       .tables = d->walks.tables,
                                       .references = d->walks.references,
                                       .fills = s.fills,
                                       .nowhere = s.nowhere,
                                       .frames = s.tables};
    return true;
}
