/* A quiz on the guest's own traps: the guest runs on to a trap, the record is shown up to where the
 * VMM comes in, and what it did then is the question. The seed decides which traps and which
 * questions; virtual time makes the same seed the same quiz. */
#include "shell/repl/repl.h"
#include "shell/repl/why.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SKIP = 40, PATIENCE = 4000 }; /* traps */

/* ---- which trap ---- */

/* xorshift64*, Vigna 2016: numbers that anybody can repeat. */
static uint64_t draw(struct quiz *quiz, uint64_t below)
{
    quiz->random ^= quiz->random >> 12;
    quiz->random ^= quiz->random << 25;
    quiz->random ^= quiz->random >> 27;
    return (quiz->random * 0x2545f4914f6cdd1du >> 32) % below;
}

/* A kernel makes thousands of equal traps in a row: causes that were asked about lately are passed
 * for a while. */
bool repl_quiz_wants(struct session *session, const struct vmm_record *record)
{
    struct quiz *quiz = &session->quiz;
    if (!quiz->searching)
        return false;
    quiz->passed++;
    if (quiz->passed < quiz->skip)
        return false;
    for (size_t i = 0; i < QUIZ_REMEMBERS && quiz->passed < PATIENCE; i++)
        if (quiz->asked_about[i] && strcmp(quiz->asked_about[i], record->cause) == 0)
            return false;
    return true;
}

/* ---- which question ---- */

static bool has_room(const struct vmm_record *record, char room)
{
    return strchr(record->walk, room) != NULL;
}

static void ask_handler(struct session *session, struct quiz *quiz)
{
    const struct vmm_record *record = &quiz->record;
    repl_say(session, "Who handles it?\n"
                      "  a  the hardware: there is no VMM\n"
                      "  b  the dispatcher alone: it hands the event on to the guest\n"
                      "  c  the interpreter: it simulates the instruction\n"
                      "  d  the allocator: a resource is its business\n"
                      "  e  the interpreter, and then the allocator\n");
    quiz->letters = 5;
    quiz->answer = !*record->walk                                   ? 'a'
                   : has_room(record, 'I') && has_room(record, 'A') ? 'e'
                   : has_room(record, 'I')                          ? 'c'
                   : has_room(record, 'A')                          ? 'd'
                                                                    : 'b';
}

static void ask_change(struct session *session, struct quiz *quiz)
{
    const struct vmm_change *change = &quiz->record.changes[draw(quiz, quiz->record.change_count)];
    repl_say(session, "%s is 0x%x. What does the guest find in it when it runs on?\n", change->what,
             change->before);
    quiz->letters = 0;
    quiz->answer = change->after;
}

static void ask_vector(struct session *session, struct quiz *quiz)
{
    repl_say(session, "The guest's own handler is called. For which vector?\n");
    quiz->letters = 0;
    quiz->answer = quiz->record.injected_vector;
}

static void ask_fault(struct session *session, struct quiz *quiz)
{
    repl_say(session, "Would this fault have come on the bare machine, too?\n"
                      "  a  yes: the guest's own page tables refuse the access\n"
                      "  b  no: only the VMM's shadow tables lack the page\n");
    quiz->letters = 2;
    quiz->answer = strcmp(quiz->record.cause, "true_fault") == 0 ? 'a' : 'b';
}

static void ask_class(struct session *session, struct quiz *quiz)
{
    const struct why_cause *known = why_find_cause(quiz->record.cause);
    repl_say(session, "Which class is this instruction of?\n"
                      "  a  privileged: it traps in user mode, whatever else holds\n"
                      "  b  it traps in user mode only where CPL > IOPL\n"
                      "  c  innocuous: it would do no harm without the VMM\n");
    quiz->letters = 3;
    quiz->answer = known->kind == WHY_PRIVILEGED ? 'a' : known->kind == WHY_IOPL ? 'b' : 'c';
}

static bool is_fault(const struct vmm_record *record)
{
    return strcmp(record->cause, "true_fault") == 0 || strcmp(record->cause, "hidden_fault") == 0;
}

static bool is_classed(const struct vmm_record *record)
{
    const struct why_cause *known = why_find_cause(record->cause);
    return known && known->kind != WHY_EVENT && known->kind != WHY_SILENT;
}

/* One of the questions that the trap has an answer to. */
static void ask(struct session *session, struct quiz *quiz)
{
    void (*fitting[5])(struct session *, struct quiz *) = {ask_handler};
    size_t count = 1;
    if (quiz->record.change_count)
        fitting[count++] = ask_change;
    if (quiz->record.injected && *quiz->record.walk)
        fitting[count++] = ask_vector;
    if (is_fault(&quiz->record))
        fitting[count++] = ask_fault;
    if (is_classed(&quiz->record))
        fitting[count++] = ask_class;
    fitting[draw(quiz, count)](session, quiz);
    repl_say(session, quiz->letters ? "Answer with 'answer a'.\n" : "Answer with 'answer 0x10'.\n");
}

/* The record as far as the VMM has not come in yet. */
static void show_trap(struct session *session, const struct vmm_record *record)
{
    char instruction[128] = "", place[128];
    if (record->length)
        vmm_disassemble(record->bytes, record->length, record->linear, record->code16, instruction,
                        sizeof instruction);
    repl_say(session, "Trap %llu, in ring %u: %s %s\n", (unsigned long long)record->sequence,
             record->ring, repl_place(session, record->linear, place, sizeof place), instruction);
    if (!record->has_vector)
        return;
    const char *name = why_vector_name(record->vector), *title = why_vector_title(record->vector);
    if (strcmp(record->cause, "interrupt") == 0)
        repl_say(session, "A device asks for vector 0x%x.\n", record->vector);
    else if (name)
        repl_say(session, "The processor raised %s%s%s%s.\n", name, title ? " (" : "",
                 title ? title : "", title ? ")" : "");
    else
        repl_say(session, "The processor was to call vector 0x%x.\n", record->vector);
    if (is_fault(record) && record->has_address)
        repl_say(session, "The address is 0x%08x.\n", record->address);
}

/* ---- the commands ---- */

static bool parse_seed(struct session *session, char *arguments)
{
    char *word = repl_word(&arguments), *value = word ? repl_word(&arguments) : NULL;
    char *end = NULL;
    if (!word)
        return true;
    unsigned long long seed = value ? strtoull(value, &end, 0) : 0;
    if (strcmp(word, "-s") != 0 || !value || !isdigit((unsigned char)*value) || *end ||
        repl_word(&arguments))
        return repl_complain(session, "Write 'quiz', or 'quiz -s 7' for the quiz of seed 7.");
    session->quiz = (struct quiz){.random = seed * 0x9e3779b97f4a7c15u | 1};
    return true;
}

bool repl_quiz(struct session *session, char *arguments)
{
    struct quiz *quiz = &session->quiz;
    uint64_t before = 0;
    if (!repl_need_guest(session) || !parse_seed(session, arguments))
        return false;
    if (!quiz->random)
        quiz->random = 1;
    struct vmm_record last;
    if (vmm_last_record(session->guest.vm, 0, &last))
        before = last.sequence;
    quiz->open = false;
    quiz->passed = 0;
    quiz->skip = 1 + draw(quiz, SKIP);
    quiz->searching = true;
    bool good = repl_run_silently(session);
    quiz->searching = false;
    if (!good)
        return false;
    if (!vmm_last_record(session->guest.vm, 0, &quiz->record) || quiz->record.sequence == before)
        return repl_complain(session, "The guest makes no more traps; 'run' starts it again.");
    quiz->asked_about[quiz->asked++ % QUIZ_REMEMBERS] = quiz->record.cause;
    quiz->open = true;
    show_trap(session, &quiz->record);
    ask(session, quiz);
    return true;
}

static bool parse_answer(struct session *session, const char *text, uint32_t *answer)
{
    const struct quiz *quiz = &session->quiz;
    if (!quiz->letters)
        return repl_evaluate(session, text, NULL, answer);
    *answer = (uint32_t)tolower((unsigned char)*text);
    if (text[0] && !text[1] && *answer >= 'a' && *answer < 'a' + quiz->letters)
        return true;
    return repl_complain(session, "Answer with a letter from a to %c.",
                         (char)('a' + quiz->letters - 1));
}

bool repl_answer(struct session *session, char *arguments)
{
    struct quiz *quiz = &session->quiz;
    char text[VMM_RECORD_TEXT];
    uint32_t answer;
    if (!quiz->open || !session->guest.vm)
        return repl_complain(session, "There is no question; 'quiz' poses one.");
    if (!*arguments)
        return repl_complain(session, "What is the answer? Write 'answer %s'.",
                             quiz->letters ? "a" : "0x10");
    if (!parse_answer(session, arguments, &answer))
        return false;
    bool right = answer == quiz->answer;
    quiz->open = false;
    quiz->right += right;
    quiz->answered++;
    if (right)
        repl_say(session, "Right.");
    else if (quiz->letters)
        repl_say(session, "No: %c.", (char)quiz->answer);
    else
        repl_say(session, "No: 0x%x.", quiz->answer);
    vmm_record_text(session->guest.vm, &quiz->record, text, sizeof text);
    repl_say(session, " %u of %u so far; 'why' explains it, 'quiz' goes on.\n%s\n", quiz->right,
             quiz->answered, text);
    return true;
}
