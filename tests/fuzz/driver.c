/* A fuzzer for where there is no libFuzzer: inputs of the corpus, mutated and joined at random, for
 * so many seconds. It is blind (no coverage guides it), but it repeats: the seed is its third
 * argument, and the input that ended it stays in the file `last-input`.
 *
 *     PROGRAM SECONDS CORPUS [SEED] */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_FILES = 256, LARGEST = 1 << 16, CHANGES = 8 };

static struct input {
    uint8_t *bytes;
    size_t size;
} inputs[MOST_FILES];
static size_t count;
static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * 0x2545f4914f6cdd1du >> 32) % below;
}

static void load(const char *folder)
{
    char path[4096];
    DIR *directory = opendir(folder);
    struct dirent *entry;
    while (directory && (entry = readdir(directory)) && count < MOST_FILES) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        FILE *file = *entry->d_name == '.' ? NULL : fopen(path, "r");
        if (!file)
            continue;
        inputs[count].bytes = malloc(LARGEST);
        inputs[count].size = inputs[count].bytes ? fread(inputs[count].bytes, 1, LARGEST, file) : 0;
        count++;
        fclose(file);
    }
    if (directory)
        closedir(directory);
}

static size_t mutate(uint8_t *bytes)
{
    const struct input *from = &inputs[draw((uint32_t)count)],
                       *other = &inputs[draw((uint32_t)count)];
    size_t size = from->size;
    memcpy(bytes, from->bytes, size);
    for (unsigned i = draw(CHANGES) + 1; i && size; i--) {
        size_t at = draw((uint32_t)size);
        switch (draw(5)) {
        case 0: bytes[at] = (uint8_t)draw(256); break;
        case 1: bytes[at] ^= (uint8_t)(1 << draw(8)); break;
        case 2: size = at; break;
        case 3: memmove(bytes + at, bytes + at + 1, --size - at); break;
        default: {
            size_t begin = other->size ? draw((uint32_t)other->size) : 0;
            size_t length = other->size - begin < LARGEST - at ? other->size - begin : LARGEST - at;
            memcpy(bytes + at, other->bytes + begin, length);
            size = at + length > size ? at + length : size;
        }
        }
    }
    return size;
}

static void keep(const uint8_t *bytes, size_t size)
{
    FILE *file = fopen("last-input", "w");
    if (!file)
        return;
    fwrite(bytes, 1, size, file);
    fclose(file);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[LARGEST];
    unsigned long runs = 0;
    if (argc < 3)
        return 2;
    time_t end = time(NULL) + strtol(argv[1], NULL, 10);
    state = argc > 3 ? strtoull(argv[3], NULL, 10) * 2 + 1 : 1;
    load(argv[2]);
    for (size_t i = 0; i < count; i++, runs++)
        LLVMFuzzerTestOneInput(inputs[i].bytes, inputs[i].size);
    while (count && time(NULL) < end) {
        size_t size = mutate(bytes);
        keep(bytes, size);
        LLVMFuzzerTestOneInput(bytes, size);
        runs++;
    }
    printf("%lu inputs\n", runs);
    for (size_t i = 0; i < count; i++)
        free(inputs[i].bytes);
    return 0;
}
