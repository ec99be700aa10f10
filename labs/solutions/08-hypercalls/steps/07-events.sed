# step: events
# expect: the console has: glue: map_memory is not written yet
# passes: registers behind an event
# passes: the timer's period
# passes: an event that waits
# passes: a critical section in another
# passes: a critical section while events are masked
# passes: waiting for what is there already
/^void map_memory(/,/^}/{
/^{/,/^}/c\
{\
    (void)directory, (void)bytes;\
    not_written("map_memory");\
}
}
/^uint32_t entry_get(/,/^}/{
/^{/,/^}/c\
{\
    (void)entry;\
    not_written("entry_get");\
    return 0;\
}
}
/^void entry_set(/,/^}/{
/^{/,/^}/c\
{\
    (void)entry, (void)value;\
    not_written("entry_set");\
}
}
/^void entries_done(/,/^}/{
/^{/,/^}/c\
{\
    not_written("entries_done");\
}
}
/^void write_cr3(/,/^}/{
/^{/,/^}/c\
{\
    (void)directory;\
    not_written("write_cr3");\
}
}
/^void invlpg(/,/^}/{
/^{/,/^}/c\
{\
    (void)address;\
    not_written("invlpg");\
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
