/* Loading modules from a shared object. See module_file.h. */
#include "shell/module_file.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

bool module_file_load(struct module_file *file, const char *path, char *why, size_t room)
{
    char place[4096];
    /* A name without a slash would be looked for among the system's libraries. */
    snprintf(place, sizeof place, "%s%s", strchr(path, '/') ? "" : "./", path);
    *file = (struct module_file){.handle = dlopen(place, RTLD_NOW | RTLD_LOCAL)};
    file->modules = file->handle ? dlsym(file->handle, "lab_modules") : NULL;
    if (file->modules)
        return true;
    snprintf(why, room, "'%.1000s' has no modules: %.800s", path, dlerror());
    module_file_free(file);
    return false;
}

void module_file_free(struct module_file *file)
{
    if (file->handle)
        dlclose(file->handle);
    *file = (struct module_file){0};
}

static int install(struct vmm_vm *vm, const struct lab_module *module, struct vmm_error *error)
{
    if (strcmp(module->slot, "dispatcher.decision") == 0)
        return vmm_module_replace_decision(vm, module->decide, NULL, error);
    if (strcmp(module->slot, "dispatcher.delivery") == 0)
        return vmm_module_replace_delivery(vm, module->deliver, NULL, error);
    if (strcmp(module->slot, "dispatcher.nested") == 0)
        return vmm_module_replace_nested(vm, module->nest, NULL, error);
    if (strcmp(module->slot, "allocator.shadow") == 0)
        return vmm_module_replace_shadow(vm, module->ask, module->keep, NULL, error);
    if (strcmp(module->slot, "interpreter.translator") == 0)
        return vmm_module_replace_translator(vm, module->translator, NULL, error);
    if (strcmp(module->slot, "dispatcher.hardware") == 0)
        return vmm_module_replace_hardware(vm, module->hardware, NULL, error);
    if (strcmp(module->slot, "lab.exits") == 0)
        return VMM_OK; /* no slot of a virtual machine */
    if (strcmp(module->slot, "allocator.ports") == 0)
        return vmm_module_replace_ports(vm, module->allow_port, NULL, error);
    return vmm_module_replace(vm, module->slot, module->routine, NULL, error);
}

int module_file_install(const struct module_file *file, struct vmm_vm *vm, struct vmm_error *error)
{
    int status = VMM_OK;
    for (const struct lab_module *module = file->modules; module->slot && status == VMM_OK;
         module++)
        if (!file->without || strcmp(file->without, module->slot) != 0)
            status = install(vm, module, error);
    return status;
}
