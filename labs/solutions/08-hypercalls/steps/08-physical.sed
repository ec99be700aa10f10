# step: physical
# expect: the VMM refused the hypercall mmu: error -4, a frame that the guest does not have
/^uint32_t entry_get(/,/^}/{
/^{/,/^}/c\
{\
    (void)entry;\
    not_written("entry_get");\
    return 0;\
}
}
/^void table_begin(/,/^}/{
/^{/,/^}/c\
{\
    (void)frame;\
    not_written("table_begin");\
}
}
/^void table_end(/,/^}/{
/^{/,/^}/c\
{\
    (void)frame;\
    not_written("table_end");\
}
}
/^void directory_begin(/,/^}/{
/^{/,/^}/c\
{\
    (void)frame;\
    not_written("directory_begin");\
}
}
/^void directory_end(/,/^}/{
/^{/,/^}/c\
{\
    (void)frame;\
    not_written("directory_end");\
}
}
/#include "glue.h"/a\
static void not_written(const char *what)\
{\
    char text[64] = "glue: ";\
    uint32_t length = 6;\
    while (*what && length < 40)\
        text[length++] = *what++;\
    for (const char *rest = " is not written yet\\n"; *rest; rest++)\
        text[length++] = *rest;\
    vmm_hypercall(VMM_HC_CONSOLE_WRITE, (uint32_t)text, length, 0);\
    vmm_hypercall(VMM_HC_SHUTDOWN, 98, 0, 0);\
}
/^static void put(/,/^}/s/    queue\[queued++\].*/&\n    entries_done();/
s/    if (error)$/    if (false)/
/^static uint32_t to_machine(/,/^}/s/return .*/return physical;/
