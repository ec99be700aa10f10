/* A theorem's result, and how it reads as JSON. */
#define _GNU_SOURCE
#include "theorem_result.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void theorem_error_set(struct vmm_theorem_error *error, const char *format, ...)
{
    if (!error)
        return;
    error->line = error->column = 0;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
}

struct vmm_theorem_result *theorem_result_create(int number, const char *isa, size_t records,
                                                 struct vmm_theorem_error *error)
{
    if (number < 1 || number > 3) {
        theorem_error_set(error, "there is no theorem %d; ask for 1, 2 or 3", number);
        return NULL;
    }
    struct vmm_theorem_result *result = calloc(1, sizeof *result);
    if (result) {
        result->theorem = number;
        result->holds = VMM_VERDICT_UNDECIDED;
        result->isa = strdup(isa);
        result->records = calloc(records ? records : 1, sizeof(struct vmm_class_record *));
        if (result->isa && result->records)
            return result;
        vmm_theorem_result_free(result);
    }
    theorem_error_set(error, "there is no memory for theorem %d's result; close other programs",
                      number);
    return NULL;
}

static bool add_string(char ***list, size_t *count, const char *text)
{
    char **grown = realloc(*list, (*count + 1) * sizeof **list);
    if (!grown)
        return false;
    *list = grown;
    grown[*count] = strdup(text);
    if (!grown[*count])
        return false;
    (*count)++;
    return true;
}

bool theorem_result_add_counterexample(struct vmm_theorem_result *result, const char *mnemonic)
{
    for (size_t i = 0; i < result->counterexample_count; i++)
        if (strcmp(result->counterexamples[i], mnemonic) == 0)
            return true;
    return add_string(&result->counterexamples, &result->counterexample_count, mnemonic);
}

bool theorem_result_add_trace(struct vmm_theorem_result *result, const char *line)
{
    return add_string(&result->trace, &result->trace_count, line);
}

/* Whether `condition` is one of the list's members, and not just a part of one. */
static bool has_condition(const char *list, const char *condition)
{
    size_t length = strlen(condition);
    while (list) {
        const char *end = strstr(list, "; ");
        size_t member = end ? (size_t)(end - list) : strlen(list);
        if (member == length && memcmp(list, condition, length) == 0)
            return true;
        list = end ? end + 2 : NULL;
    }
    return false;
}

bool theorem_result_add_condition(struct vmm_theorem_result *result, const char *condition)
{
    char *old = result->conditions;
    if (has_condition(old, condition))
        return true;
    char *joined = NULL;
    if (asprintf(&joined, "%s%s%s", old ? old : "", old ? "; " : "", condition) < 0)
        return false;
    free(old);
    result->conditions = joined;
    return true;
}

bool theorem_result_set_reason(struct vmm_theorem_result *result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    free(result->reason);
    int length = vasprintf(&result->reason, format, arguments);
    va_end(arguments);
    if (length < 0)
        result->reason = NULL;
    return length >= 0;
}

static void free_strings(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void vmm_theorem_result_free(struct vmm_theorem_result *result)
{
    if (!result)
        return;
    free_strings(result->counterexamples, result->counterexample_count);
    free_strings(result->trace, result->trace_count);
    free(result->isa);
    free(result->reason);
    free(result->conditions);
    free(result->records);
    free(result);
}

/* ---- JSON ---- */

static json_t *optional_string(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *strings(char *const *list, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(list[i]));
    return array;
}

static json_t *classes(const struct vmm_class_record *record)
{
    return json_pack(
        "{s:s s:b s:b s:b s:b s:b s:b s:b s:b s:s?}", "mnemonic", record->mnemonic, "privileged",
        record->privileged, "control_sensitive", record->control_sensitive, "location_sensitive",
        record->location_sensitive, "mode_sensitive", record->mode_sensitive, "user_sensitive",
        record->user_sensitive, "supervisor_sensitive", record->supervisor_sensitive, "sensitive",
        record->sensitive, "innocuous", record->innocuous, "witness", record->witness);
}

static void add_formal(json_t *object, const struct vmm_theorem_result *result)
{
    json_t *instructions = json_array();
    for (size_t i = 0; i < result->record_count; i++)
        json_array_append_new(instructions, classes(result->records[i]));
    json_object_set_new(object, "states", json_integer((json_int_t)result->states));
    json_object_set_new(object, "sequences", json_integer((json_int_t)result->sequences));
    json_object_set_new(object, "length", json_integer(result->length));
    json_object_set_new(object, "levels", json_integer(result->levels));
    json_object_set_new(object, "checks", json_integer((json_int_t)result->checks));
    json_object_set_new(object, "direct", json_integer((json_int_t)result->direct));
    json_object_set_new(object, "vmm_steps", json_integer((json_int_t)result->entries));
    json_object_set_new(object, "trace", strings(result->trace, result->trace_count));
    json_object_set_new(object, "instructions", instructions);
}

char *vmm_theorem_json(const struct vmm_theorem_result *result)
{
    static json_t *(*const verdicts[])(void) = {json_false, json_true, json_null};
    json_t *object = json_object();
    json_object_set_new(object, "theorem", json_integer(result->theorem));
    json_object_set_new(object, "isa", json_string(result->isa));
    json_object_set_new(object, "holds", verdicts[result->holds]());
    if (result->reason)
        json_object_set_new(object, "reason", json_string(result->reason));
    json_object_set_new(object, "counterexamples",
                        strings(result->counterexamples, result->counterexample_count));
    json_object_set_new(object, "conditions", optional_string(result->conditions));
    if (result->formal)
        add_formal(object, result);
    char *text = json_dumps(object, JSON_INDENT(2));
    json_decref(object);
    return text;
}
