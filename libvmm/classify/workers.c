/* Worker processes.
 *
 * An encoding that no program ever uses can bring the engine down (a debug register that arms a
 * breakpoint, an unknown control register) or keep it busy for ever. Each worker therefore notes in
 * shared memory what it is about to run, sends each verdict through a pipe, and may die: the parent
 * starts another one that leaves out the experiment that was fatal. An experiment is fatal at most
 * once (a hang twice), so that this ends. The order in which workers take encodings does not reach
 * the results. */
#include "classify/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    MAX_JOBS = 64,
    CHUNK = 4,
    CHUNK_SWEEP = 64,
    FATAL_LIMIT = 48, /* after so many, the encoding is given up */
    FATAL_LIMIT_SWEEP = 2,
    TICK_MS = 100,     /* of processor time; two ticks in one experiment are a hang */
    STALLED_MS = 5000, /* of real time without any progress: the engine sleeps */
    EXIT_HUNG = 97,
    EXIT_NO_ENGINE = 98,
};

/* What a worker shares with the parent. */
struct slot {
    struct trial_mark mark;
    volatile uint32_t next, end; /* the rest of its chunk; `next` is under way while mark.busy */
    volatile uint32_t runs;
};

struct shared {
    atomic_uint next;
    struct slot slot[MAX_JOBS];
};

struct message {
    uint32_t index;
    uint8_t has_verdict, ran;
};

struct worker {
    pid_t pid;
    int pipe;
    uint8_t buffer[sizeof(struct message) + sizeof(struct verdict)];
    size_t filled;
    uint8_t lost[ISA_MAX_STATES];
    uint32_t lost_count, lost_form;
    struct {
        bool given;
        uint32_t form, state, seed;
    } suspect; /* it hung once */
    int lost_signal;
    uint32_t seen_runs;
    int stalled_ms;
};

struct crew {
    const struct work *work;
    struct shared *shared;
    struct worker worker[MAX_JOBS];
    unsigned jobs, running;
    size_t done;
    bool no_engine;
};

/* --- in the worker --- */

static struct slot *own_slot;
static struct probe *own_probe;
static uint32_t last_tick_runs;

static void on_tick(int signal_number)
{
    (void)signal_number;
    if (own_slot->mark.busy && own_probe && own_probe->runs == last_tick_runs)
        _exit(EXIT_HUNG);
    last_tick_runs = own_probe ? own_probe->runs : 0;
    own_slot->runs = last_tick_runs;
}

static void prepare_process(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP, SIGTERM, SIGINT};
    struct rlimit no_core = {0, 0};
    struct itimerval tick = {{0, TICK_MS * 1000}, {0, TICK_MS * 1000}};
    int null = open("/dev/null", O_RDWR);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    setrlimit(RLIMIT_CORE, &no_core);
    if (null >= 0) { /* the engine explains its assertions on standard error */
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    signal(SIGPROF, on_tick);
    setitimer(ITIMER_PROF, &tick, NULL);
}

static bool send_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size) {
        ssize_t n = write(fd, p, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool worth_reporting(const struct verdict *verdict)
{
    const struct classes *c = &verdict->without;

    return c->privileged || c->control || c->location || c->mode || c->user || c->supervisor ||
           verdict->conditional || verdict->lost;
}

static bool do_one(const struct work *work, struct trial *trial, uint32_t form, int fd)
{
    static struct {
        struct message message;
        struct verdict verdict;
    } packet;
    uint8_t bytes[ISA_MAX_BYTES] = {0};
    size_t size = work->encode(work, form, bytes);

    verdict_reach(trial, bytes, size, &packet.verdict);
    memset(trial->lost, 0, sizeof trial->lost);
    trial->lost_count = 0;
    packet.message.index = form;
    packet.message.ran = packet.verdict.ran;
    packet.message.has_verdict = !work->sweep || worth_reporting(&packet.verdict);
    return send_all(fd, &packet.message, sizeof packet.message) &&
           (!packet.message.has_verdict || send_all(fd, &packet.verdict, sizeof packet.verdict));
}

static bool take_chunk(const struct work *work, struct shared *shared, struct slot *slot)
{
    uint32_t size = work->sweep ? CHUNK_SWEEP : CHUNK;
    uint32_t from = atomic_fetch_add(&shared->next, size);

    if (from >= work->count)
        return false;
    slot->next = from;
    slot->end = from + size < work->count ? from + size : work->count;
    return true;
}

static void worker_main(const struct work *work, struct shared *shared, struct slot *slot,
                        const struct worker *self, int fd)
{
    struct trial trial = {.mark = &slot->mark, .sweep = work->sweep};

    own_slot = slot;
    slot->mark.busy = false;
    prepare_process();
    trial.probe = probe_create(work->isa);
    trial.seen = calloc((size_t)ISA_MAX_STATES * ISA_MAX_SEEDS, sizeof *trial.seen);
    if (!trial.probe || !trial.seen)
        _exit(EXIT_NO_ENGINE);
    own_probe = trial.probe;
    memcpy(trial.lost, self->lost, sizeof trial.lost);
    trial.lost_count = self->lost_count;
    trial.lost_signal = self->lost_signal;
    while (slot->next < slot->end || take_chunk(work, shared, slot)) {
        slot->mark.form = slot->next;
        slot->mark.busy = true;
        if (!do_one(work, &trial, slot->next, fd))
            _exit(1);
        slot->mark.busy = false;
        slot->next++;
    }
    _exit(0);
}

/* --- in the parent --- */

static bool start_worker(struct crew *crew, unsigned i)
{
    struct worker *worker = &crew->worker[i];
    int ends[2];

    if (pipe(ends) != 0)
        return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    worker->pid = fork();
    if (worker->pid == 0) {
        close(ends[0]);
        worker_main(crew->work, crew->shared, &crew->shared->slot[i], worker, ends[1]);
    }
    close(ends[1]);
    if (worker->pid < 0) {
        close(ends[0]);
        return false;
    }
    worker->pipe = ends[0];
    worker->filled = 0;
    worker->stalled_ms = 0;
    crew->running++;
    return true;
}

static void report(struct crew *crew, uint32_t index, const struct verdict *verdict, bool ran)
{
    const struct work *work = crew->work;

    work->deliver(work, index, verdict, ran);
    crew->done++;
    if (work->progress)
        work->progress(work->progress_data, crew->done, work->count);
}

/* Takes what the pipe holds. False: the worker has closed it. */
static bool receive(struct crew *crew, struct worker *worker)
{
    struct message message;
    struct verdict verdict;
    size_t want = sizeof message;

    if (worker->filled >= sizeof message) {
        memcpy(&message, worker->buffer, sizeof message);
        want += sizeof verdict;
    }
    ssize_t n = read(worker->pipe, worker->buffer + worker->filled, want - worker->filled);
    if (n < 0)
        return errno == EINTR;
    if (n == 0)
        return false;
    worker->filled += (size_t)n;
    if (worker->filled < sizeof message)
        return true;
    memcpy(&message, worker->buffer, sizeof message);
    if (!message.has_verdict) {
        worker->filled = 0;
        report(crew, message.index, NULL, message.ran);
    } else if (worker->filled == sizeof message + sizeof verdict) {
        memcpy(&verdict, worker->buffer + sizeof message, sizeof verdict);
        worker->filled = 0;
        report(crew, message.index, &verdict, message.ran);
    }
    return true;
}

/* Operands that were fatal under two variations of a mode are left out under all of them, and a
 * hang under one of them ends the mode: each death costs a new process, and a hang its time. */
static void spread(const struct isa *isa, struct worker *worker, uint32_t state, uint32_t seed,
                   bool hung)
{
    unsigned mode = state / isa->variation_count, deaths = 0;

    for (unsigned v = 0; v < isa->variation_count; v++)
        deaths += worker->lost[isa_state(isa, mode, v)] >> seed & 1;
    for (unsigned v = 0; deaths >= 2 && v < isa->variation_count; v++)
        worker->lost[isa_state(isa, mode, v)] |= (uint8_t)(1u << seed);
    for (unsigned v = 0; hung && v < isa->variation_count; v++)
        worker->lost[isa_state(isa, mode, v)] = 0xff;
}

/* On a busy machine a worker may seem to hang: an experiment has to hang twice. */
static bool hangs_again(struct worker *worker, const struct trial_mark *mark)
{
    bool again = worker->suspect.given && worker->suspect.form == mark->form &&
                 worker->suspect.state == mark->state && worker->suspect.seed == mark->seed;

    worker->suspect.given = true;
    worker->suspect.form = mark->form;
    worker->suspect.state = mark->state;
    worker->suspect.seed = mark->seed;
    return again;
}

/* The worker died in an experiment: leave that one out next time, or give the encoding up. */
static void learn_from_death(struct crew *crew, unsigned i, int signal_number)
{
    struct worker *worker = &crew->worker[i];
    struct slot *slot = &crew->shared->slot[i];
    uint32_t limit = crew->work->sweep ? FATAL_LIMIT_SWEEP : FATAL_LIMIT;

    if (signal_number == SIGVTALRM && !hangs_again(worker, &slot->mark))
        return;
    if (worker->lost_form != slot->mark.form) {
        memset(worker->lost, 0, sizeof worker->lost);
        worker->lost_count = 0;
        worker->lost_form = slot->mark.form;
    }
    worker->lost[slot->mark.state] |= (uint8_t)(1u << slot->mark.seed);
    worker->lost_signal = signal_number;
    spread(crew->work->isa, worker, slot->mark.state, slot->mark.seed, signal_number == SIGVTALRM);
    if (++worker->lost_count < limit)
        return;
    struct verdict verdict = {.lost = worker->lost_count, .lost_signal = signal_number};
    report(crew, slot->mark.form, &verdict, false);
    memset(worker->lost, 0, sizeof worker->lost);
    worker->lost_count = 0;
    slot->next = slot->mark.form + 1;
}

static void bury(struct crew *crew, unsigned i)
{
    struct worker *worker = &crew->worker[i];
    struct slot *slot = &crew->shared->slot[i];
    int status = 0;

    close(worker->pipe);
    worker->pipe = -1;
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR)
        ;
    worker->pid = 0;
    crew->running--;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NO_ENGINE) {
        crew->no_engine = true;
        return;
    }
    bool hung = WIFEXITED(status) || WTERMSIG(status) == SIGKILL;
    if (slot->mark.busy)
        learn_from_death(crew, i, hung ? SIGVTALRM : WTERMSIG(status));
    else
        crew->no_engine = true; /* it dies before its first experiment */
    if (!crew->no_engine && !start_worker(crew, i))
        crew->no_engine = true;
}

/* A worker that sleeps uses no processor time, and its own clock does not see it. */
static void check_stalled(struct crew *crew, unsigned i, int waited_ms)
{
    struct worker *worker = &crew->worker[i];
    struct slot *slot = &crew->shared->slot[i];
    uint32_t now = slot->mark.form * 4099u + slot->mark.state * 17u + slot->mark.seed + slot->runs;

    worker->stalled_ms = now == worker->seen_runs ? worker->stalled_ms + waited_ms : 0;
    worker->seen_runs = now;
    if (worker->stalled_ms >= STALLED_MS && slot->mark.busy)
        kill(worker->pid, SIGKILL);
}

static void attend(struct crew *crew)
{
    struct pollfd polled[MAX_JOBS];
    unsigned owner[MAX_JOBS], n = 0;

    for (unsigned i = 0; i < crew->jobs; i++)
        if (crew->worker[i].pid) {
            owner[n] = i;
            polled[n++] = (struct pollfd){.fd = crew->worker[i].pipe, .events = POLLIN};
        }
    int ready = poll(polled, n, TICK_MS);
    for (unsigned k = 0; k < n; k++) {
        if (ready == 0)
            check_stalled(crew, owner[k], TICK_MS);
        else if (polled[k].revents && !receive(crew, &crew->worker[owner[k]]))
            bury(crew, owner[k]);
    }
}

static unsigned default_jobs(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 1 : processors > MAX_JOBS ? MAX_JOBS : (unsigned)processors;
}

bool workers_run(const struct work *work)
{
    struct crew *crew = calloc(1, sizeof *crew);

    if (!crew)
        return false;
    crew->work = work;
    crew->jobs = work->jobs ? work->jobs : default_jobs();
    if (crew->jobs > MAX_JOBS)
        crew->jobs = MAX_JOBS;
    if (crew->jobs > work->count)
        crew->jobs = work->count ? work->count : 1;
    crew->shared =
        mmap(NULL, sizeof *crew->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (crew->shared == MAP_FAILED) {
        free(crew);
        return false;
    }
    for (unsigned i = 0; i < crew->jobs; i++)
        crew->worker[i].lost_form = UINT32_MAX;
    for (unsigned i = 0; i < crew->jobs && !crew->no_engine; i++)
        crew->no_engine = !start_worker(crew, i);
    while (crew->running)
        attend(crew);
    bool complete = !crew->no_engine && crew->done == work->count;
    munmap(crew->shared, sizeof *crew->shared);
    free(crew);
    return complete;
}
