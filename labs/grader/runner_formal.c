/* Asks a student's predicates about formal machines, and sends the answers to the scorer. There is
 * nothing of the library in this program. See runner_guest.c for what is to be trusted.
 *
 *     runner - NONCE CPU-SECONDS    a struct formal_work comes in by standard input */
#include "labs/grader/evidence.h"
#include "labs/grader/formal.h"
#include "labs/grader/sandbox.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static uint8_t ask(const struct lab_answers *answers, uint32_t question,
                   const struct machine *machine, unsigned instruction)
{
    predicate *const predicates[] = {answers->privileged, answers->control_sensitive,
                                     answers->location_sensitive, answers->mode_sensitive,
                                     answers->user_sensitive};
    if (question < FORMAL_THEOREM_1)
        return predicates[question] ? predicates[question](machine, instruction) : FORMAL_MISSING;
    bool (*theorem)(const struct machine *) =
        question == FORMAL_THEOREM_1 ? answers->theorem_1 : answers->theorem_3;
    return theorem ? theorem(machine) : FORMAL_MISSING;
}

static void predict(const struct lab_answers *answers, struct formal_answer *answer)
{
    memset(answer->answer, FORMAL_MISSING, sizeof answer->answer);
    for (unsigned i = 0;
         i < FORMAL_PREDICTIONS && answers->predictions && answers->predictions[i].instruction;
         i++) {
        snprintf(answer->name[i], sizeof answer->name[i], "%s",
                 answers->predictions[i].instruction);
        answer->answer[i] =
            (uint8_t)(answers->predictions[i].privileged | answers->predictions[i].sensitive << 1);
    }
}

static bool answer_all(const struct lab_answers *answers, const struct formal_work *work,
                       struct formal_answer *answer)
{
    for (answer->machine = 0; answer->machine < work->machines; answer->machine++) {
        const struct machine machine = formal_machine(&work->table[answer->machine]);
        unsigned count = work->question < FORMAL_THEOREM_1 ? machine.instructions : 1;
        for (unsigned i = 0; i < count && work->question != FORMAL_PREDICT; i++)
            answer->answer[i] = ask(answers, work->question, &machine, i);
        if (work->question == FORMAL_PREDICT)
            predict(answers, answer);
        if (write(LAB_CHANNEL, answer, sizeof *answer) != sizeof *answer)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    static struct formal_work work;
    static struct formal_answer answer;
    if (argc != 4 || fread(&work, sizeof work, 1, stdin) != 1)
        return LAB_NO_MACHINE;
    const struct lab_hello hello = {strtoull(argv[2], NULL, 16)};
    answer.nonce = hello.nonce;
    memset(argv[2], 'x', strlen(argv[2]));
    if (!sandbox_enter((unsigned)strtoul(argv[3], NULL, 10)) ||
        write(LAB_CHANNEL, &hello, sizeof hello) != sizeof hello)
        return LAB_NO_MACHINE;
    void *module = dlopen("./module.so", RTLD_NOW | RTLD_LOCAL);
    const struct lab_answers *answers = module ? dlsym(module, "lab_answers") : NULL;
    if (!answers)
        return LAB_NO_MODULE;
    return answer_all(answers, &work, &answer) ? 0 : LAB_NO_CHANNEL;
}
