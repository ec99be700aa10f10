/* From EIP to a decoded instruction. Most of the time it is in the cache, under its physical
 * address; one that is not, or that goes on in a second page, is read byte by byte as far as it
 * goes, so that a fault is reported at the byte that is missing. */
#include "fetch.h"

#include <string.h>

#include "arch/x86/walk.h"

bool execute_by_routine(const struct x86_instruction *insn)
{
    switch (insn->kind) {
    case X86_KIND_OTHER:
    case X86_KIND_JMP:
    case X86_KIND_JCC:
    case X86_KIND_LOOP:
    case X86_KIND_CALL:
    case X86_KIND_JMP_INDIRECT:
    case X86_KIND_CALL_INDIRECT:
    case X86_KIND_RET: return false;
    default: return true;
    }
}

execute *execute_find(const struct x86_instruction *insn)
{
    if (execute_by_routine(insn) || insn->map > 1) {
        return NULL;
    }
    return (insn->map ? execute_two_byte : execute_one_byte)[insn->opcode];
}

static bool is_user(const struct cpu_state *cpu)
{
    return cpu->cpl == 3;
}

static enum x86_status walk_for_fetch(struct execution *x, uint32_t linear, uint32_t *physical)
{
    unsigned access = X86_ACCESS_FETCH | X86_ACCESS_MARK | (is_user(x->cpu) ? X86_ACCESS_USER : 0);
    struct x86_walk walk;
    enum x86_status status = x86_walk(x->cpu, x->memory, linear, access, &walk, &x->fault);

    *physical = walk.physical;
    return status;
}

/* Reads up to X86_INSN_MAX bytes; the rest of the second page may be missing: then `status` says
 * why, and fewer are returned. */
static unsigned read_bytes(struct execution *x, uint32_t linear, uint8_t *bytes,
                           enum x86_status *status)
{
    unsigned done = 0;

    while (done < X86_INSN_MAX) {
        uint32_t at = linear + done, physical;
        unsigned room = X86_PAGE_SIZE - (at & ~X86_PAGE_MASK), wanted = X86_INSN_MAX - done;
        const uint8_t *page;

        *status = walk_for_fetch(x, at, &physical);
        if (*status != X86_OK) {
            break;
        }
        page = x->memory->page(x->memory->context, physical, false);
        if (!page) {
            *status = X86_NEED_PAGE;
            break;
        }
        wanted = wanted < room ? wanted : room;
        memcpy(bytes + done, page + (physical & ~X86_PAGE_MASK), wanted);
        done += wanted;
        if (done < X86_INSN_MAX) { /* does it go on in the second page at all? */
            struct x86_instruction insn;
            if (x86_decode(bytes, done, x->cpu->seg[X86_CS].attributes & X86_SEG_DB, &insn)) {
                break;
            }
        }
    }
    return done;
}

static enum x86_status fetch_slowly(struct execution *x, uint32_t linear, struct cache_code *code)
{
    uint8_t bytes[X86_INSN_MAX];
    enum x86_status status = X86_OK;
    unsigned count = read_bytes(x, linear, bytes, &status);

    if (!count ||
        !x86_decode(bytes, count, x->cpu->seg[X86_CS].attributes & X86_SEG_DB, &code->insn)) {
        return status;
    }
    code->run = execute_find(&code->insn);
    return X86_OK;
}

/* Decodes an instruction that lies in one page, and remembers it. False if it does not. */
static bool decode_into(struct interpreter_cache *cache, const struct cache_page *page,
                        uint32_t physical, bool code32, struct cache_code *code)
{
    unsigned offset = physical & ~X86_PAGE_MASK;
    struct x86_instruction insn;

    if (!x86_decode(page->host + offset, X86_PAGE_SIZE - offset, code32, &insn)) {
        return false;
    }
    *code = (struct cache_code){.physical = physical,
                                .generation = interpreter_cache_code(cache, physical),
                                .code32 = code32,
                                .run = execute_find(&insn),
                                .insn = insn};
    return true;
}

static enum x86_status remember_page(struct execution *x, uint32_t linear, struct cache_page *page)
{
    uint32_t physical;
    enum x86_status status = walk_for_fetch(x, linear, &physical);

    page->tag = 0;
    if (status == X86_OK && physical < x->cache->size) {
        page->physical = physical & X86_PAGE_MASK;
        page->host = x->memory->page(x->memory->context, physical, false);
        if (!page->host) {
            return X86_NEED_PAGE;
        }
        page->tag = cache_tag(linear);
    }
    return status;
}

enum x86_status execute_fetch(struct execution *x, struct cache_code *spare,
                              const struct cache_code **code)
{
    const struct cpu_state *cpu = x->cpu;
    const struct x86_segment *cs = &cpu->seg[X86_CS];
    struct interpreter_cache *cache = x->cache;
    bool code32 = cs->attributes & X86_SEG_DB;
    uint32_t linear = cs->base + cpu->eip, physical;
    struct cache_page *page;
    struct cache_code *entry;

    if (cpu->eip > cs->limit) {
        return x86_raise(&x->fault, X86_GP, 0);
    }
    *code = spare;
    if (!cache) {
        return fetch_slowly(x, linear, spare);
    }
    page = cache_slot(cache->fetch[is_user(cpu)], linear, CACHE_FETCHES);
    if (page->tag != cache_tag(linear)) {
        enum x86_status status = remember_page(x, linear, page);
        if (status != X86_OK) {
            return status;
        }
        if (!page->tag) {
            return fetch_slowly(x, linear, spare);
        }
    }
    physical = page->physical | (linear & ~X86_PAGE_MASK);
    entry = &cache->code[physical % CACHE_CODE];
    if (entry->physical != physical || entry->code32 != code32 ||
        entry->generation != cache->generation[physical / X86_PAGE_SIZE] || !entry->generation) {
        if (!decode_into(cache, page, physical, code32, entry)) {
            return fetch_slowly(x, linear, spare);
        }
    }
    *code = entry;
    return X86_OK;
}
