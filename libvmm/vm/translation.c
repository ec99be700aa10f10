/* Binary translation, as it is shown: the public side of interpreter/translate. */
#include "vmm/translate.h"

#include "dispatcher/technique.h"
#include "interpreter/translate/translate.h"
#include "vm.h"

static const struct translator *translator_of(const struct vmm_vm *vm)
{
    const struct technique *technique = vm->dispatcher.technique;
    return technique->translator ? technique->translator(&vm->dispatcher) : 0;
}

bool vmm_translation(const struct vmm_vm *vm, struct vmm_translation *translation)
{
    const struct technique *technique = vm->dispatcher.technique;
    return technique->translation && technique->translation(&vm->dispatcher, translation);
}

bool vmm_translated(const struct vmm_vm *vm, uint32_t linear,
                    bool (*take)(void *context, const struct vmm_translated *translated),
                    void *context)
{
    const struct translator *translator = translator_of(vm);
    return translator && translator_show(translator, linear, take, context);
}

bool vmm_unit(const struct vmm_vm *vm, size_t i, struct vmm_unit *unit)
{
    const struct translator *translator = translator_of(vm);
    return translator && translator_show_unit(translator, i, unit);
}
