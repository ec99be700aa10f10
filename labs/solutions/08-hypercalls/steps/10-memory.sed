# step: memory
# expect: the console has: glue: directory_begin is not written yet
# passes: memory one to one
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
