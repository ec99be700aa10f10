/* The lab about equivalence: somebody else's VMM has a mistake, and the student finds it by audit.
 * What is right is found here in the same way, by experiment: where the states of a guest differ
 * first, and which module it is without whose replacement they do not. A witness is a guest of the
 * student's own. It is only ever executed by a VMM. */
#include "shell/lab.h"

#include "labs/grader/evidence.h"
#include "shell/file.h"
#include "shell/module_file.h"

#include <stdlib.h>

enum { MOST_INSTRUCTIONS = 600, WITNESS_INSTRUCTIONS = 60, MOST_SUSPECTS = 16 };

/* What is true of a suspect. */
struct truth {
    bool known;
    uint64_t instruction;
    char slot[64], event[64];
};
static struct truth truths[MOST_SUSPECTS];

/* ---- audits ---- */

static void prepare_vm(void *context, struct vmm_vm *vm)
{
    if (context)
        module_file_install(context, vm, NULL);
}

/* Audits a guest under a suspect, NULL: under the library's own modules. */
static bool audit(const uint8_t *guest, size_t size, struct module_file *suspect,
                  struct vmm_audit *result, char why[LAB_SENTENCE])
{
    struct vmm_error error;
    const struct vmm_audit_request request = {
        .config = {.technique = "trap", .memory_size = LAB_MEMORY},
        .image = {.kind = "flat@0x100000", .file = {.bytes = guest, .size = (uint32_t)size}},
        .every = 1,
        .most = MOST_INSTRUCTIONS,
        .prepare = prepare_vm,
        .context = suspect};
    if (vmm_audit(&request, result, &error) == VMM_OK)
        return true;
    snprintf(why, LAB_SENTENCE, "the audit failed: %s", error.text);
    return false;
}

static bool load_suspect(const struct lab *lab, unsigned number, struct module_file *file,
                         char why[LAB_SENTENCE])
{
    char name[32], path[LAB_PATH];
    snprintf(name, sizeof name, "suspect-%u.so", number);
    return lab_join(path, lab->places.built, name) &&
           module_file_load(file, path, why, LAB_SENTENCE);
}

static unsigned suspect_of(const struct lab_test *test)
{
    char number[16];
    lab_field(test->text, "suspect: ", number, sizeof number);
    unsigned value = (unsigned)strtoul(number, NULL, 10);
    return value < MOST_SUSPECTS ? value : 0;
}

/* ---- what is true ---- */

static bool read_flat(const char *path, struct vmm_file *file, char why[LAB_SENTENCE])
{
    struct vmm_error error;
    if (vmm_file_read(path, file, &error) && file->size <= LAB_GUEST_ROOM)
        return true;
    snprintf(why, LAB_SENTENCE, "'%.1000s' is no guest", path);
    return false;
}

static bool make_workload(const struct lab *lab, struct vmm_file *file, char why[LAB_SENTENCE])
{
    char folder[LAB_PATH], source[LAB_PATH], out[LAB_PATH];
    if (!lab_make_folder(folder)) {
        snprintf(why, LAB_SENTENCE, "no temporary folder can be made");
        return false;
    }
    bool good = lab_join(source, lab->places.lab, "starter/workload.S") &&
                lab_join(out, folder, "workload.bin") && lab_assemble(lab, source, out, why) &&
                read_flat(out, file, why);
    lab_remove_folder(folder);
    return good;
}

/* The module without which there is no difference. */
static bool find_slot(struct module_file *suspect, const struct vmm_file *workload,
                      struct truth *truth, char why[LAB_SENTENCE])
{
    static struct vmm_audit result;
    for (const struct lab_module *module = suspect->modules; module->slot; module++) {
        suspect->without = module->slot;
        if (!audit(workload->bytes, workload->size, suspect, &result, why))
            return false;
        if (result.equivalent) {
            snprintf(truth->slot, sizeof truth->slot, "%s", module->slot);
            return true;
        }
    }
    snprintf(why, LAB_SENTENCE, "no module alone explains what the suspect does");
    return false;
}

static bool find_truth(const struct lab *lab, unsigned number, char why[LAB_SENTENCE])
{
    static struct vmm_audit result;
    struct truth *truth = &truths[number];
    struct module_file suspect = {0};
    struct vmm_file workload = {0};
    bool good = load_suspect(lab, number, &suspect, why) && make_workload(lab, &workload, why) &&
                audit(workload.bytes, workload.size, &suspect, &result, why);
    if (good && result.equivalent) {
        snprintf(why, LAB_SENTENCE, "suspect %u makes no difference", number);
        good = false;
    }
    if (good) {
        truth->instruction = result.divergence.instruction;
        snprintf(truth->event, sizeof truth->event, "%s", result.divergence.vm_event);
        good = find_slot(&suspect, &workload, truth, why);
    }
    truth->known = good;
    vmm_file_free(&workload);
    module_file_free(&suspect);
    return good;
}

static bool prepare(const struct lab *lab, struct lab_test *test, char why[LAB_SENTENCE])
{
    unsigned number = suspect_of(test);
    return truths[number].known || find_truth(lab, number, why);
}

/* ---- the student's findings ---- */

static void decide(struct lab_test *test, bool right, const char *what)
{
    test->passed = right;
    test->score = right ? test->points : 0;
    if (!right)
        snprintf(test->output, sizeof test->output, "%.1200s\nHint: %.400s", what, test->hint);
}

/* The line about a suspect: "suspect 3: slot NAME, instruction N". */
static bool find_line(const struct lab_job *job, unsigned number, char slot[64],
                      unsigned long long *instruction)
{
    char path[LAB_PATH], line[512];
    unsigned suspect;
    bool found = false;
    FILE *file = lab_join(path, job->work, job->lab->files[0]) ? fopen(path, "re") : NULL;
    while (file && !found && fgets(line, sizeof line, file))
        found = sscanf(line, "suspect %u: slot %63[^, \n], instruction %llu", &suspect, slot,
                       instruction) == 3 &&
                suspect == number;
    if (file)
        fclose(file);
    return found;
}

static void judge_finding(struct lab_job *job, struct lab_test *test, bool about_slot)
{
    char slot[64], what[512];
    unsigned number = suspect_of(test);
    unsigned long long instruction;
    const struct truth *truth = &truths[number];
    if (!find_line(job, number, slot, &instruction)) {
        snprintf(what, sizeof what, "There is no line 'suspect %u: slot NAME, instruction N' in %s",
                 number, job->lab->files[0]);
        decide(test, false, what);
    } else if (about_slot) {
        snprintf(what, sizeof what,
                 "With the library's own %s in its place, suspect %u still does not do what the "
                 "bare machine does",
                 slot, number);
        decide(test, strcmp(slot, truth->slot) == 0, what);
    } else {
        snprintf(what, sizeof what,
                 "After instruction %llu of workload.S the states of suspect %u are not those that "
                 "differ first",
                 instruction, number);
        decide(test, instruction == truth->instruction, what);
    }
}

/* ---- witnesses ---- */

static bool judge_witness(struct lab_job *job, struct lab_test *test, struct module_file *suspect,
                          const struct vmm_file *guest)
{
    static struct vmm_audit own, under;
    char what[1024];
    if (!audit(guest->bytes, guest->size, NULL, &own, job->why) ||
        !audit(guest->bytes, guest->size, suspect, &under, job->why))
        return false;
    if (!own.equivalent)
        snprintf(what, sizeof what,
                 "The witness differs from the bare machine under the library's own modules, too, "
                 "at instruction %llu (%s): it does not show what is wrong with the suspect",
                 (unsigned long long)own.divergence.instruction, own.divergence.text);
    else if (under.equivalent)
        snprintf(what, sizeof what,
                 "Under the suspect the witness does what it does on the bare machine");
    else
        snprintf(what, sizeof what, "The witness needs %llu instructions to show it; %d are enough",
                 (unsigned long long)under.divergence.instruction, WITNESS_INSTRUCTIONS);
    decide(test,
           own.equivalent && !under.equivalent &&
               under.divergence.instruction <= WITNESS_INSTRUCTIONS,
           what);
    return true;
}

static bool run_witness(struct lab_job *job, struct lab_test *test)
{
    char name[32], out[LAB_PATH], messages[LAB_SENTENCE];
    unsigned number = suspect_of(test);
    struct module_file suspect = {0};
    struct vmm_file guest = {0};
    snprintf(name, sizeof name, "witness-%u.S", number);
    if (!lab_assemble_confined(job->lab, job->work, name, "witness.bin", messages) ||
        !lab_join(out, job->work, "witness.bin") || !read_flat(out, &guest, messages)) {
        decide(test, false, messages);
        return true;
    }
    bool good = load_suspect(job->lab, number, &suspect, job->why) &&
                judge_witness(job, test, &suspect, &guest);
    vmm_file_free(&guest);
    module_file_free(&suspect);
    return good;
}

static bool run(struct lab_job *job, struct lab_test *test)
{
    char asks[32];
    lab_field(test->text, "asks: ", asks, sizeof asks);
    if (strcmp(asks, "witness") == 0)
        return run_witness(job, test);
    judge_finding(job, test, strcmp(asks, "slot") == 0);
    return true;
}

static bool build(struct lab_job *job)
{
    return lab_collect(job->lab, job->submission, job->work, job->result->output,
                       sizeof job->result->output);
}

const struct lab_kind lab_kind_audit = {
    .name = "audit", .build = build, .prepare = prepare, .run = run};
