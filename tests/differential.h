/* Differential testing of the interpreter: one random instruction in one random state is executed
 * by the bare machine (engine, microcode and delivery, as the technique `bare` runs it) and by the
 * interpreter on a copy of state and memory; then everything that software can see is compared
 * (McKeeman, "Differential testing for software", 1998). A case is plain data, so that it can be
 * made again from its seed, shrunk while it still fails, and printed.
 *
 * Both have 1 MB of memory, of which the first 64 KB hold the tables of protected_mode.h, page
 * tables, stacks and data; a case changes words of it by `pokes`. */
#ifndef VMM_TESTS_DIFFERENTIAL_H
#define VMM_TESTS_DIFFERENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "interpreter/interpreter.h"
#include "machine/cpu.h"

enum diff_address {
    DIFF_CODE = 0x8000, /* the instruction, and a jump to itself behind it */
    DIFF_DIRECTORY = 0xc000,
    DIFF_TABLE = 0xd000, /* maps the first 4 MB to themselves */
    DIFF_DATA = 0xe000,  /* two pages of operands */
    DIFF_WORLD = 0x10000,
    DIFF_MEMORY = 0x100000,
};
#define DIFF_POKES 24u
#define DIFF_BYTES 20u

struct diff_case {
    uint64_t seed;
    uint64_t time;
    struct cpu_state cpu; /* before; CS:EIP is where `bytes` lie */
    uint8_t bytes[DIFF_BYTES];
    unsigned length;
    unsigned poke_count;
    struct diff_poke {
        uint32_t at, value;
    } pokes[DIFF_POKES];
};

/* What one of the two made of a case. */
struct diff_end {
    struct cpu_state cpu;
    uint64_t retired;
    bool halted, shutdown;
    bool skipped; /* not comparable: the runner says so */
    bool partial; /* it faulted among several stores: memory is not comparable */
    unsigned accesses;
    struct diff_access {
        bool in;
        uint16_t port;
        uint8_t size;
        uint32_t value;
    } access[4];
};

struct differential;

/* Executes the instruction at `end->cpu` on our side; memory is differential_memory. */
typedef void diff_runner(struct differential *d, const struct diff_case *c, struct diff_end *end);
/* Makes the case of a seed. */
typedef void diff_maker(struct diff_case *c, uint64_t seed);

struct differential *differential_create(diff_runner *runner);
void differential_destroy(struct differential *d);
const struct x86_memory *differential_memory(struct differential *d);
struct cpu *differential_cpu(struct differential *d);

/* What a device answers to a read of `port`. */
uint32_t differential_port(uint16_t port, unsigned size);

/* For a runner: delivers an event as the dispatcher does, and counts a software interrupt. */
void differential_deliver(struct differential *d, struct diff_end *end,
                          const struct x86_event *event);

/* Runs one case on both. True if they agree; otherwise `text` says where they differ first. */
bool differential_agree(struct differential *d, const struct diff_case *c, char *text, size_t room);

/* Makes and runs `count` cases from `seed` on. Returns how many disagreed; the first ones are
 * shrunk and printed on standard error. `completed` (may be NULL) counts those that retired. */
unsigned differential_run(struct differential *d, diff_maker *make, uint64_t seed, uint64_t count,
                          uint64_t *completed);

/* The number in the environment variable `variable`, or `otherwise`. */
uint64_t differential_number(const char *variable, uint64_t otherwise);

/* ---- making cases ---- */

uint32_t diff_random(uint32_t below);
void diff_seed(uint64_t seed);
void diff_poke(struct diff_case *c, uint32_t at, uint32_t value);

enum diff_mode {
    DIFF_RING0,
    DIFF_RING1,
    DIFF_RING3,
    DIFF_CODE16, /* protected mode, 16-bit code and stack, ring 0 */
    DIFF_REAL,
    DIFF_V86,
    DIFF_MODES
};

/* A random state in `mode`, with paging or without, at DIFF_CODE. */
void diff_state(struct diff_case *c, enum diff_mode mode);

/* The words of page tables: makes data pages read-only, supervisor's, absent at random. */
void diff_pages(struct diff_case *c);

/* Appends an instruction: at most `prefixes` random prefixes out of `allowed` (a string of bytes),
 * then `count` opcode bytes. */
void diff_opcode(struct diff_case *c, const char *allowed, const uint8_t *opcode, unsigned count);

/* Appends a ModR/M byte with the reg field `reg` (random if above 7) and what belongs to it; a
 * memory operand is made to point to where there is something. `mod3`: 0 memory only, 1 either, 2
 * register only. */
void diff_modrm(struct diff_case *c, unsigned reg, unsigned mod3);

/* Appends `count` random bytes. */
void diff_immediate(struct diff_case *c, unsigned count);

/* A linear address at which there is something: data pages, their edges, a large page. */
uint32_t diff_target(void);

/* Whether the memory operand lies where the engine, which checks neither limits nor types of
 * segments in ordinary accesses, does otherwise than the manual: beyond its segment's limit, or in
 * a code segment. */
bool diff_beyond_segment(const struct cpu_state *cpu, const struct x86_instruction *insn);

/* Whether the operand of `size` bytes lies in two pages. */
bool diff_crosses_page(const struct cpu_state *cpu, const struct x86_instruction *insn,
                       unsigned size);

/* Decodes the case's instruction in its mode. */
bool diff_decode(const struct diff_case *c, struct x86_instruction *insn);

#endif
