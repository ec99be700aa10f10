/* The result as JSON, in the shape that other tools rely on: one object an instruction, the classes
 * by name, the witness as the two states and what differed. Keys come in a fixed order, so that two
 * runs give the same text. */
#include "classify/classification.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

static json_t *hex(uint64_t value)
{
    return json_sprintf("0x%" PRIx64, value);
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

static json_t *witness_json(const struct vmm_classification *c, size_t index)
{
    char state[160], difference[256];
    enum evidence kind;
    const struct witness *w = finding_witness(c, index, &kind);

    if (!w || c->records[index].failure)
        return json_null();
    json_t *object = json_object(), *states = json_array();
    json_object_set_new(object, "shows", json_string(evidence_name(kind)));
    for (unsigned i = 0; i < (kind == EVIDENCE_CONTROL ? 1u : 2u); i++) {
        witness_state(c->isa, w, i, state, sizeof state);
        json_array_append_new(states, json_string(state));
    }
    json_object_set_new(object, "states", states);
    if (kind == EVIDENCE_CONTROL || kind == EVIDENCE_LOCATION || kind == EVIDENCE_MODE) {
        json_t *before = json_array(), *after = json_array();

        if (w->component >= 0)
            json_object_set_new(object, "component",
                                json_string(c->isa->components[w->component].name));
        else
            json_object_set_new(object, "component", json_sprintf("memory 0x%" PRIx64, w->address));
        json_array_append_new(before, hex(w->before_a));
        json_array_append_new(after, hex(w->after_a));
        if (kind != EVIDENCE_CONTROL) {
            json_array_append_new(before, hex(w->before_b));
            json_array_append_new(after, hex(w->after_b));
        }
        json_object_set_new(object, "before", before);
        json_object_set_new(object, "after", after);
    }
    witness_difference(c->isa, w, kind, difference, sizeof difference);
    json_object_set_new(object, "text", json_string(difference));
    return object;
}

static void set_bool(json_t *object, const char *key, bool value)
{
    json_object_set_new(object, key, json_boolean(value));
}

/* The classes over all states, those outside the invariant too. */
static json_t *without_invariant(const struct verdict *verdict)
{
    const struct classes *classes = &verdict->without;
    json_t *object = json_object();

    set_bool(object, "privileged", classes->privileged);
    set_bool(object, "control_sensitive", classes->control);
    set_bool(object, "location_sensitive", classes->location);
    set_bool(object, "mode_sensitive", classes->mode);
    set_bool(object, "user_sensitive", classes->user);
    set_bool(object, "sensitive", classes->control || classes->location || classes->mode);
    return object;
}

static json_t *record_json(const struct vmm_classification *c, size_t index)
{
    const struct vmm_class_record *r = &c->records[index];
    json_t *object = json_object();

    json_object_set_new(object, "mnemonic", json_string(r->mnemonic));
    json_object_set_new(object, "form", text_or_null(r->form));
    json_object_set_new(object, "bytes", json_string(r->bytes));
    set_bool(object, "privileged", r->privileged);
    set_bool(object, "conditionally_privileged", r->conditionally_privileged);
    json_object_set_new(object, "condition", text_or_null(r->condition));
    set_bool(object, "control_sensitive", r->control_sensitive);
    set_bool(object, "location_sensitive", r->location_sensitive);
    set_bool(object, "mode_sensitive", r->mode_sensitive);
    set_bool(object, "user_sensitive", r->user_sensitive);
    set_bool(object, "supervisor_sensitive", r->supervisor_sensitive);
    set_bool(object, "sensitive", r->sensitive);
    set_bool(object, "innocuous", r->innocuous);
    json_object_set_new(object, "invariant", text_or_null(r->invariant));
    if (r->invariant && !r->failure)
        json_object_set_new(object, "without_invariant",
                            without_invariant(&c->findings[index].verdict));
    json_object_set_new(object, "witness", witness_json(c, index));
    json_object_set_new(object, "engine_note", text_or_null(r->engine_note));
    if (r->failure)
        json_object_set_new(object, "failure", json_string(r->failure));
    return object;
}

static json_t *counts_json(const struct vmm_class_counts *n)
{
    json_t *object = json_object();

    json_object_set_new(object, "tried", json_integer((json_int_t)n->tried));
    json_object_set_new(object, "executed", json_integer((json_int_t)n->executed));
    json_object_set_new(object, "privileged", json_integer((json_int_t)n->privileged));
    json_object_set_new(object, "conditionally_privileged",
                        json_integer((json_int_t)n->conditional));
    json_object_set_new(object, "sensitive", json_integer((json_int_t)n->sensitive));
    json_object_set_new(object, "sensitive_unprivileged",
                        json_integer((json_int_t)n->unprivileged));
    json_object_set_new(object, "failures", json_integer((json_int_t)n->failures));
    return object;
}

char *vmm_classification_json(const struct vmm_classification *c)
{
    json_t *document = json_object(), *list = json_array();

    json_object_set_new(document, "isa", json_string(c->isa->name));
    set_bool(document, "sweep", c->sweep);
    json_object_set_new(document, "counts", counts_json(&c->counts));
    for (size_t i = 0; i < c->count; i++)
        json_array_append_new(list, record_json(c, i));
    json_object_set_new(document, "instructions", list);
    char *text = json_dumps(document, JSON_INDENT(1));
    json_decref(document);
    return text;
}
