/* What the library itself puts into nested page tables. See nested.h. */
#ifndef VMM_ALLOCATOR_NESTED_ENTRY_H
#define VMM_ALLOCATOR_NESTED_ENTRY_H

#include "nested.h"

#ifndef WITHOUT_nested_entry
/* struct nested_policy's. */
enum nested_kind nested_compose(void *context, const struct nested_question *question,
                                struct nested_answer *answer);
#else
/* In a build without it somebody else's policy decides (nested_set_policy). */
#define nested_compose 0
#endif

#endif
