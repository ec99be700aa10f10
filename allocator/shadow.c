/* See shadow.h for the idea. The cache holds one shadow table per guest table frame and role, found
 * by a hash; two directories that share a guest table share its shadow. Everything that points at
 * something is threaded on a ring through the entries themselves:
 *
 *     guest-physical page  <-> the shadow table entries that map it   (to take rights back: trace)
 *     shadow table         <-> the shadow directory entries above it  (to evict it)
 *
 * A 4 MB guest page is split, because its frames are scattered: its shadow table holds every right,
 * and the directory entry above it, which each guest directory has for itself, holds the guest's.
 */
#include "shadow.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "shadow_rights.h"

#define ENTRIES     1024u
#define BUCKETS     256u
#define NO_TABLE    0xffffffffu
#define RIGHTS      SHADOW_RIGHTS
#define LIMIT_MOST  (1u << 18)
#define FLOOD       4u /* guest writes to a table without a fill, before it loses its shadow */
#define LARGE_SHIFT 22

/* What a shadow table stands for, which with `key` is its name. */
enum role {
    ROLE_DIRECTORY, /* key: page number of the guest's directory */
    ROLE_TABLE,     /* key: page number of the guest's table */
    ROLE_SPLIT,     /* key: guest-physical address >> 22 of 4 MB, mapped in one piece */
    ROLE_FLAT,      /* the directory while the guest's paging is off */
};

struct table {
    bool used;
    enum role role;
    uint32_t key;
    uint32_t machine; /* of its frame */
    uint32_t next;    /* in its bucket */
    uint64_t stamp;   /* when it was last filled or switched to */
    unsigned writes;  /* by the guest into its table, since then, or since FLOOD of them */
};

struct ring {
    uint32_t next, previous;
};

struct shadow {
    const struct frame_map *map;
    uint32_t limit;
    uint32_t nowhere; /* machine address for what has no frame */
    uint32_t vmm_entry, slot;
    bool crowded;  /* the guest's directory has an entry for the slot now */
    uint32_t root; /* index of the current directory, or NO_TABLE */
    bool wp, pse;  /* the guest's, that the cache was built for */
    uint64_t clock;
    unsigned flush; /* owed to the caller */
    bool behind; /* the processor may still have what was taken back, until the guest invalidates */
    const struct shadow_policy *policy; /* somebody else's; NULL: this file's */
    struct shadow_statistics statistics;
    uint32_t bucket[BUCKETS];
    struct table *table; /* `limit` of them */
    uint8_t *traces;     /* by guest-physical page: how many shadow tables stand for it */
    struct ring *ring;   /* entries, then heads of guest-physical pages, then heads of tables */
};

static uint32_t *entries(const struct shadow *shadow, uint32_t table)
{
    return (uint32_t *)(void *)memory_frame(shadow->map->pool->memory,
                                            shadow->table[table].machine);
}

static uint32_t page_head(const struct shadow *shadow, uint32_t page)
{
    return shadow->limit * ENTRIES + page;
}

static uint32_t table_head(const struct shadow *shadow, uint32_t table)
{
    return shadow->limit * ENTRIES + shadow->map->pages + 1 + table;
}

/* The number of the page at `guest`; all that have no frame share the one behind the last. */
static uint32_t page_number(const struct shadow *shadow, uint32_t guest)
{
    uint32_t page = guest >> MEMORY_FRAME_SHIFT;

    return page < shadow->map->pages ? page : shadow->map->pages;
}

/* The machine address of the page at `guest`. */
static uint32_t machine_page(const struct shadow *shadow, uint32_t guest)
{
    uint32_t machine = frame_map_machine(shadow->map, guest & X86_PAGE_MASK);

    return machine == FRAMES_NONE ? shadow->nowhere : machine;
}

static bool is_directory(const struct shadow *shadow, uint32_t table)
{
    return shadow->table[table].role == ROLE_DIRECTORY || shadow->table[table].role == ROLE_FLAT;
}

static void unlink_node(struct shadow *shadow, uint32_t node)
{
    struct ring *ring = shadow->ring;

    ring[ring[node].previous].next = ring[node].next;
    ring[ring[node].next].previous = ring[node].previous;
    ring[node] = (struct ring){node, node};
}

static void link_node(struct shadow *shadow, uint32_t node, uint32_t head)
{
    struct ring *ring = shadow->ring;

    ring[node] = (struct ring){ring[head].next, head};
    ring[ring[head].next].previous = node;
    ring[head].next = node;
}

/* Sets one shadow entry to `value`, which points at what `head` stands for. A processor may keep an
 * entry that was present, so taking anything back from it owes a flush. */
static void set_entry(struct shadow *shadow, uint32_t table, uint32_t index, uint32_t value,
                      uint32_t head)
{
    uint32_t *entry = &entries(shadow, table)[index];
    uint32_t old = *entry;

    if (old & X86_PTE_P) {
        bool lost = (old & ~value & RIGHTS) || ((old ^ value) & X86_PAGE_MASK);

        shadow->flush |= lost ? SHADOW_FLUSH_ALL : old != value ? SHADOW_FLUSH_PAGE : 0;
    }
    unlink_node(shadow, table * ENTRIES + index);
    *entry = value;
    if (value) {
        link_node(shadow, table * ENTRIES + index, head);
    }
}

static void drop_entry(struct shadow *shadow, uint32_t table, uint32_t index)
{
    if (!(is_directory(shadow, table) && index == shadow->slot)) {
        set_entry(shadow, table, index, 0, 0);
    }
}

static void drop_ring(struct shadow *shadow, uint32_t head)
{
    while (shadow->ring[head].next != head) {
        uint32_t node = shadow->ring[head].next;

        set_entry(shadow, node / ENTRIES, node % ENTRIES, 0, 0);
    }
}

/* ---- the cache ----------------------------------------------------------------------- */

static uint32_t *bucket_of(struct shadow *shadow, enum role role, uint32_t key)
{
    return &shadow->bucket[(key * 4 + role) * 2654435761u >> 24];
}

static uint32_t find_table(struct shadow *shadow, enum role role, uint32_t key)
{
    uint32_t table = *bucket_of(shadow, role, key);

    while (table != NO_TABLE &&
           (shadow->table[table].role != role || shadow->table[table].key != key)) {
        table = shadow->table[table].next;
    }
    return table;
}

static bool is_traceable(const struct shadow *shadow, enum role role, uint32_t key)
{
    return (role == ROLE_DIRECTORY || role == ROLE_TABLE) && key < shadow->map->pages;
}

/* What shadow_written has left in the processor's TLB goes now. */
static void catch_up(struct shadow *shadow)
{
    if (shadow->behind) {
        shadow->flush |= SHADOW_FLUSH_ALL;
    }
    shadow->behind = false;
}

/* Write-protects the guest table at page `page` wherever it is mapped. */
static void trace_page(struct shadow *shadow, uint32_t page)
{
    uint32_t head = page_head(shadow, page);

    if (shadow->traces[page]++) {
        return;
    }
    catch_up(shadow);
    shadow->statistics.traces++;
    for (uint32_t node = shadow->ring[head].next; node != head; node = shadow->ring[node].next) {
        uint32_t *entry = &entries(shadow, node / ENTRIES)[node % ENTRIES];

        if (*entry & X86_PTE_RW) {
            *entry &= ~(uint32_t)X86_PTE_RW;
            shadow->flush |= SHADOW_FLUSH_ALL;
        }
    }
}

static void remove_table(struct shadow *shadow, uint32_t table)
{
    struct table *it = &shadow->table[table];
    uint32_t *link = bucket_of(shadow, it->role, it->key);

    drop_ring(shadow, table_head(shadow, table));
    for (uint32_t index = 0; index < ENTRIES; index++) {
        if (entries(shadow, table)[index]) {
            set_entry(shadow, table, index, 0, 0);
        }
    }
    if (is_traceable(shadow, it->role, it->key)) {
        shadow->traces[it->key]--;
    }
    while (*link != table) {
        link = &shadow->table[*link].next;
    }
    *link = it->next;
    frames_give_back(shadow->map->pool, it->machine);
    it->used = false;
    shadow->statistics.tables--;
    if (shadow->root == table) {
        shadow->root = NO_TABLE;
    }
}

static void remove_all(struct shadow *shadow)
{
    for (uint32_t table = 0; table < shadow->limit; table++) {
        if (shadow->table[table].used) {
            remove_table(shadow, table);
        }
    }
}

/* Makes room by the table that was not filled for the longest time; never the current directory. */
static bool evict(struct shadow *shadow)
{
    uint32_t victim = NO_TABLE;

    for (uint32_t table = 0; table < shadow->limit; table++) {
        if (shadow->table[table].used && table != shadow->root &&
            (victim == NO_TABLE || shadow->table[table].stamp < shadow->table[victim].stamp)) {
            victim = table;
        }
    }
    if (victim == NO_TABLE) {
        return false;
    }
    remove_table(shadow, victim);
    shadow->statistics.evictions++;
    return true;
}

static uint32_t add_table(struct shadow *shadow, enum role role, uint32_t key, uint32_t machine)
{
    uint32_t *bucket = bucket_of(shadow, role, key);
    uint32_t table = 0;

    while (shadow->table[table].used) {
        table++;
    }
    shadow->table[table] = (struct table){true, role, key, machine, *bucket, 0, 0};
    *bucket = table;
    shadow->statistics.tables++;
    for (uint32_t node = table * ENTRIES; node < (table + 1) * ENTRIES; node++) {
        shadow->ring[node] = (struct ring){node, node};
    }
    if (is_directory(shadow, table) && shadow->slot != SHADOW_NO_SLOT) {
        entries(shadow, table)[shadow->slot] = shadow->vmm_entry;
    }
    if (is_traceable(shadow, role, key)) {
        trace_page(shadow, key);
    }
    return table;
}

/* The shadow table of that name, made if need be; NO_TABLE if there is no room for it. */
static uint32_t get_table(struct shadow *shadow, enum role role, uint32_t key)
{
    uint32_t table = find_table(shadow, role, key);

    if (table == NO_TABLE) {
        uint32_t machine = FRAMES_NONE;

        if (shadow->statistics.tables == shadow->limit && !evict(shadow)) {
            return NO_TABLE;
        }
        machine = frames_take(shadow->map->pool);
        if (machine == FRAMES_NONE && evict(shadow)) {
            machine = frames_take(shadow->map->pool);
        }
        if (machine == FRAMES_NONE) {
            return NO_TABLE;
        }
        table = add_table(shadow, role, key, machine);
    }
    shadow->table[table].stamp = ++shadow->clock;
    shadow->table[table].writes = 0;
    return table;
}

/* ---- what a guest entry allows --------------------------------------------------------- */

static bool is_large(const struct shadow *shadow, uint32_t pde)
{
    return shadow->pse && (pde & X86_PTE_PS);
}

/* Takes back from shadow entry `index` what `allowed`, the rights and address that the guest's
 * entry stands for now, does not give. */
static void restrict_entry(struct shadow *shadow, uint32_t table, uint32_t index, uint32_t allowed)
{
    uint32_t *entry = &entries(shadow, table)[index];
    uint32_t excess = *entry & ~allowed & RIGHTS;

    if (!(*entry & X86_PTE_P) || (is_directory(shadow, table) && index == shadow->slot)) {
        return;
    }
    if (((*entry ^ allowed) & X86_PAGE_MASK) || (excess & ~(uint32_t)X86_PTE_RW)) {
        drop_entry(shadow, table, index);
    } else if (excess) {
        *entry &= ~(uint32_t)X86_PTE_RW;
        shadow->flush |= SHADOW_FLUSH_ALL;
    }
}

/* The shadow entry, now that the guest's is `guest`: `same`, with its address and its rights. */
static void refresh_by_policy(struct shadow *shadow, uint32_t table, uint32_t index, uint32_t guest,
                              uint32_t machine, bool large)
{
    uint32_t entry = entries(shadow, table)[index];
    const struct shadow_change change = {.entry = guest,
                                         .rights = entry & RIGHTS,
                                         .directory = is_directory(shadow, table),
                                         .large = large,
                                         .moved = (entry ^ machine) & X86_PAGE_MASK};

    if ((entry & X86_PTE_P) && !(change.directory && index == shadow->slot)) {
        uint32_t rights = shadow->policy->written(shadow->policy->context, &change);
        restrict_entry(shadow, table, index, (entry & X86_PAGE_MASK) | rights);
    }
}

static void refresh_entry(struct shadow *shadow, uint32_t table, uint32_t index, uint32_t guest)
{
    bool directory = shadow->table[table].role == ROLE_DIRECTORY;
    bool large = directory && is_large(shadow, guest);
    uint32_t machine = machine_page(shadow, guest), rights;

    if (directory) {
        uint32_t child = find_table(shadow, large ? ROLE_SPLIT : ROLE_TABLE,
                                    large ? guest >> LARGE_SHIFT : guest >> MEMORY_FRAME_SHIFT);

        machine = child == NO_TABLE ? 0 : shadow->table[child].machine;
    }
    if (shadow->policy && shadow->policy->written) {
        refresh_by_policy(shadow, table, index, guest, machine, large);
        return;
    }
    rights = directory ? shadow_directory_rights(guest, large) : shadow_leaf_rights(guest);
    restrict_entry(shadow, table, index, machine | rights);
}

/* ---- the VMM's slot -------------------------------------------------------------------- */

static bool guest_uses_slot(const struct shadow *shadow, const struct cpu_state *cpu,
                            const struct x86_memory *memory, uint32_t slot)
{
    uint32_t pde = 0;

    if (!x86_paging(cpu)) {
        return slot << (LARGE_SHIFT - MEMORY_FRAME_SHIFT) < shadow->map->pages;
    }
    return x86_read_physical(memory, (cpu->cr3 & X86_PAGE_MASK) + slot * 4, &pde, sizeof pde) !=
               X86_OK ||
           (pde & X86_PTE_P);
}

static bool shadows_use_slot(const struct shadow *shadow, uint32_t slot)
{
    for (uint32_t table = 0; table < shadow->limit; table++) {
        if (shadow->table[table].used && is_directory(shadow, table) &&
            entries(shadow, table)[slot]) {
            return true;
        }
    }
    return false;
}

/* A slot that the current directory leaves free, and if possible all the cached ones. */
static uint32_t choose_slot(const struct shadow *shadow, const struct cpu_state *cpu,
                            const struct x86_memory *memory)
{
    uint32_t second = SHADOW_NO_SLOT;

    for (uint32_t slot = ENTRIES; slot-- > 0;) {
        if (slot == shadow->slot || guest_uses_slot(shadow, cpu, memory, slot)) {
            continue;
        }
        if (!shadows_use_slot(shadow, slot)) {
            return slot;
        }
        second = second == SHADOW_NO_SLOT ? slot : second;
    }
    return second;
}

static bool has_entry(const struct shadow *shadow, uint32_t directory, uint32_t slot)
{
    const uint8_t *page = frame_map_page(shadow->map, directory & X86_PAGE_MASK);
    uint32_t pde = 0;

    if (page && slot != SHADOW_NO_SLOT) {
        memcpy(&pde, page + slot * 4, sizeof pde);
    }
    return pde & X86_PTE_P;
}

static bool move_slot(struct shadow *shadow, const struct cpu_state *cpu,
                      const struct x86_memory *memory)
{
    uint32_t slot = choose_slot(shadow, cpu, memory);

    if (slot == SHADOW_NO_SLOT) {
        return false;
    }
    for (uint32_t table = 0; table < shadow->limit; table++) {
        if (shadow->table[table].used && is_directory(shadow, table)) {
            set_entry(shadow, table, slot, 0, 0);
            entries(shadow, table)[shadow->slot] = 0;
            entries(shadow, table)[slot] = shadow->vmm_entry;
        }
    }
    shadow->slot = slot;
    shadow->flush |= SHADOW_FLUSH_ALL;
    shadow->statistics.slot_moves++;
    return true;
}

/* ---- faults ---------------------------------------------------------------------------- */

/* What the two shadow entries on the way to a page are to allow, and whether the access is to be
 * followed up because it writes to a guest table. */
struct grant {
    uint32_t upper, lower;
    bool trace;
};

/* Where the supervisor writes to a read-only page with WP = 0, the level that refuses is opened for
 * writing and closed to user code. */
static struct grant own_grant(const struct shadow *shadow, const struct x86_walk *walk,
                              unsigned access)
{
    bool forced = (access & X86_ACCESS_WRITE) && !(access & X86_ACCESS_USER) && !walk->writable;
    bool traced = shadow->traces[page_number(shadow, walk->physical)];
    struct grant grant = {
        .upper = walk->levels ? shadow_directory_rights(walk->pde, walk->large) : RIGHTS,
        .lower = walk->levels == 2 ? shadow_leaf_rights(walk->pte) : RIGHTS,
        .trace = (access & X86_ACCESS_WRITE) && traced,
    };

    if (forced && !(grant.upper & X86_PTE_RW)) {
        grant.upper = X86_PTE_P | X86_PTE_RW;
    }
    if (forced && !(grant.lower & X86_PTE_RW)) {
        grant.lower = X86_PTE_P | X86_PTE_RW;
    }
    if (traced) {
        grant.lower &= ~(uint32_t)X86_PTE_RW;
    }
    return grant;
}

/* Fills in the way to walk->physical. `table` is the shadow table that belongs to it. */
static void fill(struct shadow *shadow, const struct x86_walk *walk, uint32_t table,
                 const struct grant *grant)
{
    uint32_t page = page_number(shadow, walk->physical);

    set_entry(shadow, shadow->root, walk->linear >> LARGE_SHIFT,
              shadow->table[table].machine | grant->upper, table_head(shadow, table));
    set_entry(shadow, table, walk->linear >> MEMORY_FRAME_SHIFT & (ENTRIES - 1),
              machine_page(shadow, walk->physical) | grant->lower, page_head(shadow, page));
}

/* The shadow table that the walk's last level belongs to. */
static uint32_t table_of(struct shadow *shadow, const struct x86_walk *walk)
{
    return walk->levels == 2 ? get_table(shadow, ROLE_TABLE, walk->pde >> MEMORY_FRAME_SHIFT)
                             : get_table(shadow, ROLE_SPLIT, walk->physical >> LARGE_SHIFT);
}

/* An access that the guest's tables allow. `given` is what a policy grants; NULL: this file's own.
 */
static void allowed_access(struct shadow *shadow, const struct cpu_state *cpu,
                           const struct x86_memory *memory, const struct x86_walk *walk,
                           unsigned access, const struct grant *given, struct shadow_result *result)
{
    struct grant grant;
    uint32_t table;

    result->guest = walk->physical;
    if (walk->linear >> LARGE_SHIFT == shadow->slot) {
        result->slot_moved = move_slot(shadow, cpu, memory);
        if (!result->slot_moved) {
            result->end = SHADOW_SLOT_TAKEN;
            return;
        }
    }
    table = table_of(shadow, walk);
    if (table == NO_TABLE) {
        result->end = SHADOW_NO_ROOM;
        return;
    }
    if (!frame_map_back(shadow->map, walk->physical)) {
        result->end = SHADOW_REFUSED;
        return;
    }
    /* Only now is it known whether the page is traced: it may hold the very table. */
    grant = given ? *given : own_grant(shadow, walk, access);
    shadow->table[shadow->root].stamp = ++shadow->clock;
    fill(shadow, walk, table, &grant);
    if (grant.trace) {
        result->end = SHADOW_TRACED;
        shadow->statistics.traced_writes++;
    } else {
        shadow->statistics.fills++;
    }
}

static unsigned take_flush(struct shadow *shadow)
{
    unsigned flush = shadow->flush;

    shadow->flush = 0;
    return flush;
}

bool shadow_make_way(struct shadow *shadow, const struct cpu_state *cpu,
                     const struct x86_memory *memory)
{
    bool moved = shadow->crowded && move_slot(shadow, cpu, memory);

    shadow->statistics.decisions += moved;
    shadow->crowded = false;
    return moved;
}

static void root_name(const struct cpu_state *cpu, enum role *role, uint32_t *key)
{
    *role = x86_paging(cpu) ? ROLE_DIRECTORY : ROLE_FLAT;
    *key = x86_paging(cpu) ? cpu->cr3 >> MEMORY_FRAME_SHIFT : 0;
}

/* ---- a fault, by this file's policy or by another ----------------------------------------- */

static void own_fault(struct shadow *shadow, const struct cpu_state *cpu,
                      const struct x86_memory *memory, uint32_t linear, unsigned access,
                      struct shadow_result *result)
{
    struct x86_walk walk;

    switch (x86_walk(cpu, memory, linear, access | X86_ACCESS_MARK, &walk, &result->event)) {
    case X86_OK: allowed_access(shadow, cpu, memory, &walk, access, NULL, result); break;
    case X86_FAULT:
        result->end = SHADOW_TRUE_FAULT;
        shadow->statistics.true_faults++;
        break;
    default:
        result->end = SHADOW_NEED_PAGE;
        result->guest = walk.levels == 0 ? walk.pde_address : walk.pte_address;
        break;
    }
}

static void true_fault(struct shadow *shadow, uint32_t linear, uint32_t error_code,
                       struct shadow_result *result)
{
    result->end = SHADOW_TRUE_FAULT;
    result->event = (struct x86_event){.kind = X86_EXCEPTION,
                                       .vector = X86_PAGE,
                                       .has_error_code = true,
                                       .error_code = error_code,
                                       .cr2 = linear};
    shadow->statistics.true_faults++;
}

static void mark(const struct x86_memory *memory, uint32_t address, uint32_t before, uint32_t after)
{
    if (before != after) {
        x86_write_physical(memory, address, &after, sizeof after);
    }
}

/* `walk` is what x86_probe found, whatever it came to. */
static void follow_policy(struct shadow *shadow, const struct cpu_state *cpu,
                          const struct x86_memory *memory, const struct x86_walk *walk,
                          unsigned access, uint32_t error_code, struct shadow_result *result)
{
    const struct shadow_policy *policy = shadow->policy;
    const struct shadow_question question = {
        .linear = walk->linear,
        .error_code = error_code,
        .pde = walk->pde,
        .pte = walk->levels == 2 ? walk->pte : 0,
        .large = walk->large,
        .wp = cpu->cr0 & X86_CR0_WP,
        .traced = shadow->traces[page_number(shadow, walk->physical)],
    };
    const struct shadow_verdict verdict = policy->fault(policy->context, &question);
    const struct grant grant = {verdict.upper, verdict.lower, verdict.kind == SHADOW_TRACE};

    if (verdict.kind == SHADOW_OWN || verdict.kind == SHADOW_UNDECIDED) {
        result->end = SHADOW_REFUSED;
        if (verdict.kind == SHADOW_OWN) {
            own_fault(shadow, cpu, memory, walk->linear, access, result);
        }
        return;
    }
    mark(memory, walk->pde_address, walk->pde, verdict.pde);
    if (walk->levels == 2) {
        mark(memory, walk->pte_address, walk->pte, verdict.pte);
    }
    if (verdict.kind == SHADOW_TRUE) {
        true_fault(shadow, walk->linear, verdict.error_code, result);
    } else {
        allowed_access(shadow, cpu, memory, walk, 0, &grant, result);
    }
}

static bool maps_page(const struct x86_walk *walk)
{
    return walk->large || (walk->levels == 2 && (walk->pte & X86_PTE_P));
}

/* The shadow table is there before the policy is asked: with it the page may become a traced one.
 */
static void policy_fault(struct shadow *shadow, const struct cpu_state *cpu,
                         const struct x86_memory *memory, uint32_t linear, unsigned access,
                         uint32_t error_code, struct shadow_result *result)
{
    struct x86_walk walk;

    if (!x86_paging(cpu)) {
        own_fault(shadow, cpu, memory, linear, access, result);
    } else if (x86_probe(cpu, memory, linear, access, &walk) != X86_OK) {
        result->end = SHADOW_NEED_PAGE;
        result->guest = walk.levels == 0 ? walk.pde_address : walk.pte_address;
    } else if (walk.end == X86_WALK_RESERVED) {
        true_fault(shadow, linear, walk.error_code, result);
    } else if (maps_page(&walk) && table_of(shadow, &walk) == NO_TABLE) {
        result->end = SHADOW_NO_ROOM;
    } else {
        follow_policy(shadow, cpu, memory, &walk, access, error_code, result);
    }
}

struct shadow_result shadow_fault(struct shadow *shadow, const struct cpu_state *cpu,
                                  const struct x86_memory *memory, uint32_t linear,
                                  uint32_t error_code)
{
    struct shadow_result result = {.end = SHADOW_FILLED};
    unsigned access = (error_code & X86_PAGE_WRITE ? X86_ACCESS_WRITE : 0) |
                      (error_code & X86_PAGE_USER ? X86_ACCESS_USER : 0);
    enum role role;
    uint32_t key;

    shadow->statistics.decisions++;
    root_name(cpu, &role, &key);
    assert(shadow->root != NO_TABLE && shadow->root == find_table(shadow, role, key));
    if (shadow->policy) {
        policy_fault(shadow, cpu, memory, linear, access, error_code, &result);
    } else {
        own_fault(shadow, cpu, memory, linear, access, &result);
    }
    result.flush = take_flush(shadow);
    return result;
}

void shadow_set_policy(struct shadow *shadow, const struct shadow_policy *policy)
{
    shadow->statistics.decisions++;
    remove_all(shadow);
    shadow->policy = policy;
}

int shadow_switch(struct shadow *shadow, const struct cpu_state *cpu, uint32_t *root)
{
    bool wp = cpu->cr0 & X86_CR0_WP;
    bool pse = cpu->cr4 & X86_CR4_PSE;
    enum role role;
    uint32_t key;

    if (wp != shadow->wp || pse != shadow->pse) {
        remove_all(shadow);
        shadow->wp = wp;
        shadow->pse = pse;
    }
    shadow->statistics.decisions++;
    root_name(cpu, &role, &key);
    shadow->statistics.switches++;
    shadow->statistics.switch_hits += find_table(shadow, role, key) != NO_TABLE;
    shadow->root = NO_TABLE;
    shadow->root = get_table(shadow, role, key);
    if (shadow->root == NO_TABLE) {
        return -1;
    }
    *root = shadow->table[shadow->root].machine;
    shadow->crowded = role == ROLE_DIRECTORY && has_entry(shadow, cpu->cr3, shadow->slot);
    catch_up(shadow);
    return (int)take_flush(shadow);
}

void shadow_forget(struct shadow *shadow)
{
    shadow->statistics.decisions++;
    remove_all(shadow);
    shadow->root = NO_TABLE;
}

/* ---- what the guest does to its tables --------------------------------------------------- */

bool shadow_traced(const struct shadow *shadow, uint32_t guest)
{
    uint32_t page = guest >> MEMORY_FRAME_SHIFT;

    return page < shadow->map->pages && shadow->traces[page];
}

/* Whether the guest's table at `page` shows its own page: then the next store into it through that
 * place would need its shadow again. */
static bool shows_itself(uint32_t guest, const uint8_t *page)
{
    for (uint32_t at = 0; at < X86_PAGE_SIZE; at += sizeof(uint32_t)) {
        uint32_t entry;

        memcpy(&entry, page + at, sizeof entry);
        if ((entry & X86_PTE_P) && !((entry ^ guest) & X86_PAGE_MASK)) {
            return true;
        }
    }
    return false;
}

/* Whether the guest seems to use its table for something else by now. */
static bool flooded(struct shadow *shadow, uint32_t table, uint32_t guest, const uint8_t *page)
{
    if (++shadow->table[table].writes <= FLOOD || table == shadow->root) {
        return false;
    }
    shadow->table[table].writes = 0;
    return !shows_itself(guest, page);
}

/* `count` bytes at `guest`, within one page, were written. */
static void written_page(struct shadow *shadow, uint32_t guest, uint32_t count)
{
    static const enum role roles[] = {ROLE_DIRECTORY, ROLE_TABLE};
    uint32_t offset = guest & ~X86_PAGE_MASK;
    const uint8_t *page = frame_map_page(shadow->map, guest);

    for (unsigned i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        uint32_t table = find_table(shadow, roles[i], guest >> MEMORY_FRAME_SHIFT);

        if (table == NO_TABLE) {
            continue;
        }
        if (flooded(shadow, table, guest, page)) {
            remove_table(shadow, table);
            continue;
        }
        for (uint32_t index = offset / 4; index <= (offset + count - 1) / 4; index++) {
            uint32_t value;

            memcpy(&value, page + index * 4, sizeof value);
            refresh_entry(shadow, table, index, value);
            if (table == shadow->root && index == shadow->slot && (value & X86_PTE_P)) {
                shadow->crowded = true;
            }
        }
    }
}

unsigned shadow_written(struct shadow *shadow, uint32_t guest, uint32_t count)
{
    shadow->statistics.decisions++;
    while (count > 0) {
        uint32_t room = X86_PAGE_SIZE - (guest & ~X86_PAGE_MASK);
        uint32_t part = count < room ? count : room;

        if (shadow_traced(shadow, guest)) {
            written_page(shadow, guest, part);
        }
        guest += part;
        count -= part;
    }
    shadow->behind = shadow->behind || (shadow->flush & SHADOW_FLUSH_ALL);
    return take_flush(shadow);
}

unsigned shadow_invlpg(struct shadow *shadow, uint32_t linear)
{
    (void)linear; /* traces keep the tables exact: only the processor's copy may be stale */
    catch_up(shadow);
    return SHADOW_FLUSH_PAGE | take_flush(shadow);
}

unsigned shadow_trace(struct shadow *shadow, uint32_t guest)
{
    shadow->statistics.decisions++;
    if (guest >> MEMORY_FRAME_SHIFT < shadow->map->pages) {
        trace_page(shadow, guest >> MEMORY_FRAME_SHIFT);
    }
    return take_flush(shadow);
}

void shadow_untrace(struct shadow *shadow, uint32_t guest)
{
    shadow->statistics.decisions++;
    if (guest >> MEMORY_FRAME_SHIFT < shadow->map->pages) {
        shadow->traces[guest >> MEMORY_FRAME_SHIFT]--;
    }
}

unsigned shadow_open(struct shadow *shadow, uint32_t linear, bool writable)
{
    const uint32_t *directory = entries(shadow, shadow->root);
    uint32_t pde = directory[linear >> LARGE_SHIFT], *table, *entry;

    shadow->statistics.decisions++;
    if (!(pde & X86_PTE_P)) {
        return take_flush(shadow);
    }
    table = (uint32_t *)(void *)memory_frame(shadow->map->pool->memory, pde & X86_PAGE_MASK);
    entry = &table[linear >> MEMORY_FRAME_SHIFT & (ENTRIES - 1)];
    if (*entry & X86_PTE_P) {
        *entry = writable ? *entry | X86_PTE_RW : *entry & ~(uint32_t)X86_PTE_RW;
        shadow->flush |= writable ? SHADOW_FLUSH_PAGE : SHADOW_FLUSH_ALL;
    }
    return take_flush(shadow);
}

unsigned shadow_unmap(struct shadow *shadow, uint32_t guest)
{
    shadow->statistics.decisions++;
    if (guest >> MEMORY_FRAME_SHIFT < shadow->map->pages) {
        drop_ring(shadow, page_head(shadow, guest >> MEMORY_FRAME_SHIFT));
    }
    return take_flush(shadow);
}

/* ---- life ------------------------------------------------------------------------------ */

struct shadow *shadow_create(const struct frame_map *map, uint32_t limit, uint32_t nowhere,
                             uint32_t vmm_entry, uint32_t vmm_slot)
{
    struct shadow *shadow;
    size_t nodes = (size_t)limit * ENTRIES + map->pages + 1 + limit;

    if (limit < SHADOW_MINIMUM || limit > LIMIT_MOST || vmm_slot >= ENTRIES ||
        (vmm_entry & X86_PTE_US)) {
        return NULL;
    }
    shadow = calloc(1, sizeof *shadow);
    if (!shadow) {
        return NULL;
    }
    shadow->map = map;
    shadow->limit = limit;
    shadow->nowhere = nowhere & X86_PAGE_MASK;
    shadow->vmm_entry = vmm_entry;
    shadow->slot = vmm_entry & X86_PTE_P ? vmm_slot : SHADOW_NO_SLOT;
    shadow->root = NO_TABLE;
    memset(shadow->bucket, 0xff, sizeof shadow->bucket);
    shadow->table = calloc(limit, sizeof *shadow->table);
    shadow->traces = calloc(map->pages + 1, 1);
    shadow->ring = malloc(nodes * sizeof *shadow->ring);
    if (!shadow->table || !shadow->traces || !shadow->ring) {
        shadow_destroy(shadow);
        return NULL;
    }
    for (uint32_t head = limit * ENTRIES; head < nodes; head++) {
        shadow->ring[head] = (struct ring){head, head};
    }
    return shadow;
}

void shadow_destroy(struct shadow *shadow)
{
    if (!shadow) {
        return;
    }
    if (shadow->table) {
        remove_all(shadow);
    }
    free(shadow->table);
    free(shadow->traces);
    free(shadow->ring);
    free(shadow);
}

const struct frame_map *shadow_map(const struct shadow *shadow)
{
    return shadow->map;
}

uint32_t shadow_slot(const struct shadow *shadow)
{
    return shadow->slot;
}

struct shadow_statistics shadow_statistics(const struct shadow *shadow)
{
    return shadow->statistics;
}

/* ---- for an audit ---------------------------------------------------------------------- */

static bool is_table(const struct shadow *shadow, uint32_t machine)
{
    for (uint32_t table = 0; table < shadow->limit; table++) {
        if (shadow->table[table].used && shadow->table[table].machine == machine) {
            return !is_directory(shadow, table);
        }
    }
    return false;
}

static void visit_table(const struct shadow *shadow, uint32_t table,
                        void (*visit)(void *context, const struct shadow_entry *entry),
                        void *context)
{
    bool directory = is_directory(shadow, table);

    for (uint32_t index = 0; index < ENTRIES; index++) {
        uint32_t value = entries(shadow, table)[index];
        struct shadow_entry entry = {
            .value = value,
            .table = shadow->table[table].machine,
            .index = index,
            .directory = directory,
            .vmm = directory && index == shadow->slot,
        };

        if (value & X86_PTE_P) {
            entry.to_table = directory && is_table(shadow, value & X86_PAGE_MASK);
            visit(context, &entry);
        }
    }
}

void shadow_visit(const struct shadow *shadow,
                  void (*visit)(void *context, const struct shadow_entry *entry), void *context)
{
    for (uint32_t table = 0; table < shadow->limit; table++) {
        if (shadow->table[table].used) {
            visit_table(shadow, table, visit, context);
        }
    }
}

void shadow_visit_guest_tables(const struct shadow *shadow,
                               void (*visit)(void *context, uint32_t guest), void *context)
{
    for (uint32_t table = 0; table < shadow->limit; table++) {
        const struct table *it = &shadow->table[table];

        if (it->used && is_traceable(shadow, it->role, it->key)) {
            visit(context, it->key << MEMORY_FRAME_SHIFT);
        }
    }
}
