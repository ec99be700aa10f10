/* What a shadow entry may allow: the rights of the guest's entry, P only once its A is set, R/W
 * only once its D is set, so that the first access and the first write trap and the walk that
 * handles them sets the bits as the processor does (SDM volume 3, section 4.8). */
#ifndef VMM_ALLOCATOR_SHADOW_RIGHTS_H
#define VMM_ALLOCATOR_SHADOW_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/x86/state.h"

#define SHADOW_RIGHTS ((uint32_t)(X86_PTE_P | X86_PTE_RW | X86_PTE_US))

#ifndef WITHOUT_shadow_rights
/* Of an entry that maps a page. */
uint32_t shadow_leaf_rights(uint32_t entry);

/* Of an entry of a directory; `large`: it maps 4 MB. */
uint32_t shadow_directory_rights(uint32_t pde, bool large);
#else
/* In a build without them somebody else's policy decides (shadow_set_policy). */
#define shadow_leaf_rights(entry)           ((void)(entry), 0u)
#define shadow_directory_rights(pde, large) ((void)(pde), (void)(large), 0u)
#endif

#endif
