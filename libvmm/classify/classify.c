/* The public face of the classifier: which encodings to try, and from verdicts to records.
 *
 * What a record says holds under the set's invariant (x86: IOPL < CPL), as a VMM would keep it. An
 * instruction that is privileged under the invariant and not without it is called conditionally
 * privileged, with the condition that was found; so is one that traps in user mode in some states
 * only, if wherever it executes there it is harmless: the same as in supervisor mode, and neither
 * showing nor changing R (REP INSB with ECX = 0). One that slips through with an effect of its own
 * is not privileged in any sense that helps a VMM. */
#include "classify/classification.h"
#include "classify/text.h"
#include "classify/workers.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What to try: the set's forms, some of them, or numbers of its encoding spaces. */
struct request {
    struct vmm_classification *result;
    const struct isa_form **forms; /* by record; NULL in a sweep */
    uint32_t form_count;
    const struct isa_form *given; /* storage of a form that was given as bytes */
    size_t capacity;
    uint32_t *list;    /* sweep: the numbers of the encodings to try */
    uint32_t *numbers; /* sweep: the index in `list` by record */
    bool no_memory;
};

static void fail(char *error, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    if (!error || !size)
        return;
    va_start(arguments, format);
    vsnprintf(error, size, format, arguments);
    va_end(arguments);
}

size_t vmm_classify_isas(const char *const **names)
{
    static const char *all[32];

    for (size_t i = 0; i < isa_count; i++)
        all[i] = isa_all[i]->name;
    *names = all;
    return isa_count;
}

static const struct isa *find(const char *name, char *error, size_t size)
{
    const struct isa *isa = isa_find(name);

    if (!isa) {
        char list[256] = "", quoted[TEXT_QUOTE];

        for (size_t i = 0; i < isa_count; i++)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? " " : "",
                     isa_all[i]->name);
        fail(error, size, "unknown instruction set \"%s\": use one of %s", text_quote(name, quoted),
             list);
    }
    return isa;
}

static size_t encode_form(const struct work *work, uint32_t i, uint8_t *bytes)
{
    const struct request *request = work->context;

    return text_to_bytes(request->forms[i]->bytes, bytes, ISA_MAX_BYTES);
}

static size_t encode_number(const struct isa *isa, uint32_t number, uint8_t *bytes)
{
    const struct isa_sweep *sweep = isa->sweeps;

    while (number >= sweep->count) {
        number -= sweep->count;
        sweep++;
    }
    return sweep->encode(number, bytes);
}

static size_t encode_sweep(const struct work *work, uint32_t i, uint8_t *bytes)
{
    const struct request *request = work->context;

    return encode_number(work->isa, request->list[i], bytes);
}

/* Lists the numbers of all sweeps, each instruction once. */
static uint32_t list_numbers(const struct isa *isa, uint32_t **list)
{
    uint8_t bytes[ISA_MAX_BYTES];
    uint32_t all = 0, count = 0;

    for (size_t i = 0; i < isa->sweep_count; i++)
        all += isa->sweeps[i].count;
    *list = calloc(all, sizeof **list);
    for (uint32_t i = 0; *list && i < all; i++)
        if (encode_number(isa, i, bytes))
            (*list)[count++] = i;
    return count;
}

static void deliver_form(const struct work *work, uint32_t i, const struct verdict *verdict,
                         bool ran)
{
    struct request *request = work->context;

    request->result->findings[i].verdict = *verdict;
    (void)ran;
}

/* In a sweep records are made for what was found only; they are sorted afterwards. */
static void deliver_sweep(const struct work *work, uint32_t i, const struct verdict *verdict,
                          bool ran)
{
    struct request *request = work->context;
    struct vmm_classification *c = request->result;

    c->counts.executed += verdict ? verdict->ran : ran;
    if (!verdict)
        return;
    if (c->count == request->capacity) {
        size_t more = request->capacity ? 2 * request->capacity : 256;
        struct finding *findings = realloc(c->findings, more * sizeof *findings);
        if (findings)
            c->findings = findings;
        uint32_t *numbers = realloc(request->numbers, more * sizeof *numbers);
        if (numbers)
            request->numbers = numbers;
        request->no_memory |= !findings || !numbers;
        if (request->no_memory)
            return;
        request->capacity = more;
    }
    struct finding *finding = &c->findings[c->count];
    memset(finding, 0, sizeof *finding);
    finding->size = encode_sweep(work, i, finding->bytes);
    finding->verdict = *verdict;
    request->numbers[c->count++] = i;
}

static char *copy(const char *text)
{
    return text && *text ? strdup(text) : NULL;
}

static char *failure_text(const struct verdict *verdict)
{
    char text[120];

    if (!verdict->lost || verdict->ran)
        return NULL;
    snprintf(text, sizeof text, "the engine %s on every state that could tell",
             verdict->lost_signal == SIGVTALRM ? "hangs" : "crashes");
    return strdup(text);
}

/* The form's own note, and what the experiments showed of the engine. */
static char *engine_note(const char *note, const struct verdict *verdict)
{
    char text[512];
    size_t used = (size_t)snprintf(text, sizeof text, "%s", note ? note : "");

    if (verdict->lost && verdict->ran)
        used += (size_t)snprintf(
            text + used, sizeof text - used,
            "%sThe engine %s in %u of the experiments; the others decide.", used ? " " : "",
            verdict->lost_signal == SIGVTALRM ? "hangs" : "crashes", verdict->lost);
    if (verdict->noise) /* which registers show the clock is a matter of chance: not said */
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%sIt reads something that changes by itself, like a clock: what "
                                 "differs between two runs from one state was not compared.",
                                 used ? " " : "");
    if (!verdict->ran && !verdict->lost && used < sizeof text)
        snprintf(text + used, sizeof text - used, "%sIt trapped in every state that was tried.",
                 used ? " " : "");
    return copy(text);
}

static char *witness_text(const struct vmm_classification *c, size_t index)
{
    char state[2][160], difference[256], text[640];
    enum evidence kind;
    const struct witness *witness = finding_witness(c, index, &kind);

    if (!witness)
        return NULL;
    witness_state(c->isa, witness, 0, state[0], sizeof state[0]);
    witness_state(c->isa, witness, 1, state[1], sizeof state[1]);
    witness_difference(c->isa, witness, kind, difference, sizeof difference);
    if (kind == EVIDENCE_CONTROL)
        snprintf(text, sizeof text, "%s: %s", state[0], difference);
    else
        snprintf(text, sizeof text, "%s | %s: %s", state[0], state[1], difference);
    return strdup(text);
}

/* From a verdict to the public record. */
static void fill_record(struct vmm_classification *c, size_t index, const char *mnemonic,
                        const char *form, const char *note)
{
    struct vmm_class_record *record = &c->records[index];
    const struct finding *finding = &c->findings[index];
    const struct verdict *verdict = &finding->verdict;
    const struct classes *classes = &verdict->within;
    char hex[2 * ISA_MAX_BYTES + 1] = "";

    for (size_t i = 0; i < finding->size; i++)
        snprintf(hex + 2 * i, 3, "%02x", finding->bytes[i]);
    record->isa = c->isa->name;
    record->mnemonic = strdup(mnemonic);
    record->form = copy(form);
    record->bytes = strdup(hex);
    record->invariant = c->isa->invariant;
    record->engine_note = engine_note(note, verdict);
    record->failure = failure_text(verdict);
    if (record->failure)
        return;
    record->control_sensitive = classes->control;
    record->location_sensitive = classes->location;
    record->mode_sensitive = classes->mode;
    record->user_sensitive = classes->user;
    record->supervisor_sensitive = classes->supervisor;
    record->sensitive = classes->control || classes->location || classes->mode;
    record->innocuous = !record->sensitive;
    record->privileged = verdict->without.privileged;
    record->conditionally_privileged =
        !record->privileged &&
        (classes->privileged || (verdict->conditional && !classes->mode && !classes->user));
    if (record->conditionally_privileged)
        record->condition = strdup(verdict->condition);
    record->witness = witness_text(c, index);
}

static void count_records(struct vmm_classification *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct vmm_class_record *r = &c->records[i];

        if (!c->sweep)
            c->counts.executed += c->findings[i].verdict.ran;
        c->counts.privileged += r->privileged;
        c->counts.conditional += r->conditionally_privileged;
        c->counts.sensitive += r->sensitive;
        c->counts.unprivileged += r->sensitive && !r->privileged && !r->conditionally_privileged;
        c->counts.failures += r->failure != NULL;
    }
}

static struct vmm_classification *start(const struct isa *isa, bool sweep)
{
    struct vmm_classification *c = calloc(1, sizeof *c);

    if (c) {
        c->isa = isa;
        c->sweep = sweep;
    }
    return c;
}

static struct work make_work(const struct isa *isa, const struct vmm_classify_options *options,
                             struct request *request)
{
    struct work work = {.isa = isa, .context = request};

    if (options) {
        work.jobs = options->jobs;
        work.progress = options->progress;
        work.progress_data = options->progress_data;
    }
    return work;
}

/* Classifies `count` forms; takes over nothing. */
static struct vmm_classification *classify_forms(const struct isa *isa,
                                                 const struct isa_form **forms, size_t count,
                                                 const struct vmm_classify_options *options,
                                                 char *error, size_t error_size)
{
    struct vmm_classification *c = start(isa, false);
    struct request request = {.result = c, .forms = forms};
    struct work work = make_work(isa, options, &request);

    if (c) {
        c->records = calloc(count, sizeof *c->records);
        c->findings = calloc(count, sizeof *c->findings);
    }
    if (!c || !c->records || !c->findings) {
        vmm_classification_free(c);
        fail(error, error_size, "no memory for %zu classes", count);
        return NULL;
    }
    c->count = count;
    c->counts.tried = count;
    for (size_t i = 0; i < count; i++)
        c->findings[i].size = text_to_bytes(forms[i]->bytes, c->findings[i].bytes, ISA_MAX_BYTES);
    work.count = (uint32_t)count;
    work.encode = encode_form;
    work.deliver = deliver_form;
    if (!workers_run(&work)) {
        vmm_classification_free(c);
        fail(error, error_size, "the engine cannot be started for %s: is it Unicorn 2.1.1?",
             isa->name);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        fill_record(c, i, forms[i]->mnemonic, forms[i]->text, forms[i]->note);
    count_records(c);
    return c;
}

/* Puts the findings of a sweep into the order of the encodings. */
static void sort_findings(struct vmm_classification *c, uint32_t *numbers)
{
    for (size_t gap = c->count / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < c->count; i++)
            for (size_t k = i; k >= gap && numbers[k - gap] > numbers[k]; k -= gap) {
                struct finding finding = c->findings[k];
                uint32_t number = numbers[k];

                c->findings[k] = c->findings[k - gap];
                numbers[k] = numbers[k - gap];
                c->findings[k - gap] = finding;
                numbers[k - gap] = number;
            }
}

static struct vmm_classification *classify_sweep(const struct isa *isa,
                                                 const struct vmm_classify_options *options,
                                                 char *error, size_t error_size)
{
    struct vmm_classification *c = start(isa, true);
    struct request request = {.result = c};
    struct work work = make_work(isa, options, &request);

    work.sweep = true;
    work.encode = encode_sweep;
    work.deliver = deliver_sweep;
    work.count = list_numbers(isa, &request.list);
    bool ok = c && request.list && workers_run(&work) && !request.no_memory;
    if (ok) {
        c->counts.tried = work.count;
        sort_findings(c, request.numbers);
        c->records = calloc(c->count ? c->count : 1, sizeof *c->records);
        ok = c->records != NULL;
    }
    free(request.numbers);
    free(request.list);
    if (!ok) {
        vmm_classification_free(c);
        fail(error, error_size, "the sweep of %s was broken off: the engine or memory failed",
             isa->name);
        return NULL;
    }
    for (size_t i = 0; i < c->count; i++) {
        char mnemonic[32], text[128];

        text_disassemble(isa, c->findings[i].bytes, c->findings[i].size, mnemonic, sizeof mnemonic,
                         text, sizeof text);
        fill_record(c, i, mnemonic, text,
                    isa->note ? isa->note(c->findings[i].bytes, c->findings[i].size) : NULL);
    }
    count_records(c);
    return c;
}

bool vmm_classify_can_sweep(const char *name)
{
    const struct isa *isa = isa_find(name);

    return isa && isa->sweep_count;
}

struct vmm_classification *vmm_classify(const char *name,
                                        const struct vmm_classify_options *options, char *error,
                                        size_t error_size)
{
    const struct isa *isa = find(name, error, error_size);

    if (!isa)
        return NULL;
    if (options && options->sweep) {
        if (!isa->sweep_count) {
            fail(error, error_size,
                 "there is no sweep for %s: leave --sweep out for its list of forms", isa->name);
            return NULL;
        }
        return classify_sweep(isa->sweep_as ? isa->sweep_as : isa, options, error, error_size);
    }
    const struct isa_form **forms;
    size_t count = text_all_forms(isa, &forms);
    struct vmm_classification *c =
        count ? classify_forms(isa, forms, count, options, error, error_size) : NULL;
    free(forms);
    return c;
}

struct vmm_classification *vmm_classify_text(const char *name, const char *text,
                                             const struct vmm_classify_options *options,
                                             char *error, size_t error_size)
{
    const struct isa *isa = find(name, error, error_size);
    const struct isa_form **forms;
    char quoted[TEXT_QUOTE];

    if (!isa)
        return NULL;
    if (strlen(text) > TEXT_MAX) {
        fail(error, error_size,
             "an instruction of %zu characters is too long: give one instruction "
             "of at most %d, or its encoding with --bytes",
             strlen(text), TEXT_MAX);
        return NULL;
    }
    size_t count = text_find_forms(isa, text, &forms);
    struct vmm_classification *c = NULL;
    if (count)
        c = classify_forms(isa, forms, count, options, error, error_size);
    else
        fail(error, error_size,
             "\"%s\" is not in the list of %s: give its encoding with --bytes, or see all forms "
             "with vmm classify --isa %s",
             text_quote(text, quoted), isa->name, isa->name);
    free(forms);
    return c;
}

struct vmm_classification *vmm_classify_bytes(const char *name, const char *hex,
                                              const struct vmm_classify_options *options,
                                              char *error, size_t error_size)
{
    const struct isa *isa = find(name, error, error_size);
    uint8_t bytes[ISA_MAX_BYTES];
    char quoted[TEXT_QUOTE];

    if (!isa)
        return NULL;
    size_t size = text_to_bytes(hex, bytes, ISA_MAX_BYTES - 1);
    if (!size) {
        fail(error, error_size,
             "\"%s\" is not an encoding: give 1 to %d bytes as pairs of hexadecimal digits, "
             "like 9d",
             text_quote(hex, quoted), ISA_MAX_BYTES - 1);
        return NULL;
    }
    char digits[2 * ISA_MAX_BYTES + 1], mnemonic[32], text[128];
    for (size_t i = 0; i < size; i++)
        snprintf(digits + 2 * i, 3, "%02x", bytes[i]);
    const struct isa_form *known = text_find_bytes(isa, digits);
    struct isa_form form = {.bytes = digits};
    if (known) {
        form = *known;
    } else {
        size_t length =
            text_disassemble(isa, bytes, size, mnemonic, sizeof mnemonic, text, sizeof text);
        size_t whole = length ? length : text_length(isa, bytes, size);
        if (whole > size) {
            fail(error, error_size,
                 "%s is the beginning of an instruction of %zu bytes: give all of them", digits,
                 whole);
            return NULL;
        }
        if (!length && (size > isa->longest || size % isa->unit)) {
            fail(error, error_size,
                 "%s is no instruction of %s: they have up to %u bytes, a multiple of %u", digits,
                 isa->name, isa->longest, isa->unit);
            return NULL;
        }
        if (length && length < size) {
            fail(error, error_size,
                 "%s holds more than one instruction: the first is %s, %zu byte%s", digits, text,
                 length, length == 1 ? "" : "s");
            return NULL;
        }
        form.mnemonic = mnemonic;
        form.text = text;
        form.note = isa->note ? isa->note(bytes, size) : NULL;
    }
    const struct isa_form *list[] = {&form};
    return classify_forms(isa, list, 1, options, error, error_size);
}

const struct vmm_class_record *vmm_classification_records(const struct vmm_classification *c)
{
    return c->records;
}

size_t vmm_classification_count(const struct vmm_classification *c)
{
    return c->count;
}

struct vmm_class_counts vmm_classification_counts(const struct vmm_classification *c)
{
    return c->counts;
}

void vmm_classification_free(struct vmm_classification *c)
{
    if (!c)
        return;
    for (size_t i = 0; c->records && i < c->count; i++) {
        struct vmm_class_record *record = &c->records[i];

        free((char *)record->mnemonic);
        free((char *)record->form);
        free((char *)record->bytes);
        free((char *)record->condition);
        free((char *)record->witness);
        free((char *)record->engine_note);
        free((char *)record->failure);
    }
    free(c->records);
    free(c->findings);
    free(c);
}
