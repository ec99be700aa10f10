/* The formal machines that come with the library. Their texts are files of their own, to be read
 * and edited; the assembler takes them into the library as they are, so that an installed program
 * has them wherever it is. The paths are relative to the top of the tree, where make runs. */
#include "vmm/theorem.h"

#define MACHINE(symbol, name)                                                                      \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl " #symbol "\n.hidden " #symbol "\n" #symbol ":\n"                              \
            ".incbin \"libvmm/theorem/machines/" name ".machine\"\n"                               \
            ".globl " #symbol "_end\n.hidden " #symbol "_end\n" #symbol "_end:\n"                  \
            ".popsection\n");                                                                      \
    extern const char symbol[] __attribute__((visibility("hidden")));                              \
    extern const char symbol##_end[] __attribute__((visibility("hidden")))

MACHINE(vmm_machine_third_generation, "third_generation");
MACHINE(vmm_machine_pdp10, "pdp10");
MACHINE(vmm_machine_store_base, "store_base");
MACHINE(vmm_machine_clocked, "clocked");

static const struct {
    const char *name, *text, *end;
} machines[] = {
    {"third_generation", vmm_machine_third_generation, vmm_machine_third_generation_end},
    {"pdp10", vmm_machine_pdp10, vmm_machine_pdp10_end},
    {"store_base", vmm_machine_store_base, vmm_machine_store_base_end},
    {"clocked", vmm_machine_clocked, vmm_machine_clocked_end},
};

const char *vmm_theorem_shipped(unsigned index, const char **text, size_t *length)
{
    if (index >= sizeof machines / sizeof machines[0])
        return NULL;
    if (text)
        *text = machines[index].text;
    if (length)
        *length = (size_t)(machines[index].end - machines[index].text);
    return machines[index].name;
}
