/* What help says that is no command: `vmm help TOPIC`, and `help TOPIC` at the prompt. */
#ifndef SHELL_TOPICS_H
#define SHELL_TOPICS_H

#include <stddef.h>

struct topic {
    const char *name, *summary;
    const char *text; /* lines of at most 80 columns, the last with its end */
};

extern const struct topic topics[];
extern const size_t topic_count;

/* The topic of that name, or whose name begins with it and no other's does; NULL otherwise. */
const struct topic *topic_find(const char *name);

#endif
