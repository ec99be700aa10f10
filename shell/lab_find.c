/* Where the labs are. See lab_find.h. */
#include "shell/lab_find.h"

#include "shell/command.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first of `places`, beside the program, in which there is `file`. */
static bool find(char path[LAB_PATH], const char *const *places, const char *file)
{
    char program[LAB_PATH], folder[LAB_PATH], inside[LAB_PATH];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0)
        return false;
    program[length] = '\0';
    *strrchr(program, '/') = '\0';
    for (; *places; places++)
        if (lab_join(folder, program, *places) && lab_join(inside, folder, file) &&
            access(inside, R_OK) == 0 && realpath(folder, path))
            return true;
    return false;
}

/* As it is installed, as it is built, and as a variant of it is built. */
static bool find_places(struct lab_places *places)
{
    static const char *const labs[] = {"../share/vmm/labs", "../labs", "../../labs", NULL},
                             *const headers[] = {"../include", "../libvmm/include",
                                                 "../../libvmm/include", NULL};
    static const char *const guests[] = {"../share/vmm/guests", "guests", "../guests", NULL};
    find(places->guests, guests, "kernel-virt.elf");
    return find(places->labs, labs, "lab.h") && find(places->include, headers, "vmm/module.h");
}

/* A lab without anything built is one that needs nothing. */
static bool complete(struct lab *lab)
{
    static const char *const built[] = {"../lib/libvmm/labs", "labs", "../labs", NULL};
    char folder[LAB_PATH];
    struct lab_places *places = &lab->places;
    if (find(places->built, built, lab->name) && lab_join(folder, places->built, lab->name))
        memcpy(places->built, folder, sizeof folder);
    return lab_join(places->lab, places->labs, lab->name) &&
           lab_join(places->tests, places->lab, "tests");
}

static int is_lab(const struct dirent *entry)
{
    const char *name = entry->d_name;
    return isdigit((unsigned char)name[0]) && isdigit((unsigned char)name[1]) && name[2] == '-';
}

/* The `i`th lab's folder's name in `name`; false beyond the last. */
static bool nth_lab(const char *labs, int i, char *name, size_t room)
{
    struct dirent **entries;
    int count = scandir(labs, &entries, is_lab, alphasort);
    if (i < count)
        snprintf(name, room, "%s", entries[i]->d_name);
    for (int each = 0; each < count; each++)
        free(entries[each]);
    if (count >= 0)
        free(entries);
    return i < count;
}

bool lab_for_each(void (*each)(const struct lab *lab))
{
    static struct lab lab;
    char why[LAB_SENTENCE];
    int i = 0;
    lab = (struct lab){0};
    if (!find_places(&lab.places))
        return false;
    for (; nth_lab(lab.places.labs, i, lab.name, sizeof lab.name); i++) {
        lab.number = strtol(lab.name, NULL, 10);
        if (complete(&lab) && lab_read(&lab, why))
            each(&lab);
    }
    return i > 0;
}

int lab_find(struct lab *lab, const char *number, char why[LAB_SENTENCE])
{
    char *end;
    long wanted = strtol(number, &end, 10);
    *lab = (struct lab){0};
    if (!find_places(&lab->places)) {
        snprintf(why, LAB_SENTENCE,
                 "the labs or headers are missing; install vmm with 'make install'");
        return VMM_FAILURE;
    }
    if (*end || end == number) {
        snprintf(why, LAB_SENTENCE, "'%.40s' is no number of a lab; 'vmm lab list' shows them",
                 number);
        return VMM_USAGE;
    }
    for (int i = 0; nth_lab(lab->places.labs, i, lab->name, sizeof lab->name); i++) {
        lab->number = strtol(lab->name, NULL, 10);
        if (lab->number == wanted)
            return complete(lab) && lab_read(lab, why) ? VMM_SUCCESS : VMM_FAILURE;
    }
    snprintf(why, LAB_SENTENCE, "there is no lab %ld; 'vmm lab list' shows them", wanted);
    return VMM_USAGE;
}
