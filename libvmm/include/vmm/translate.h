/** @file
 * Looking at binary translation: what the technique bt has made of a guest's supervisor code, and
 * how that is used. Nothing here changes what the guest does. */
#ifndef VMM_TRANSLATE_H
#define VMM_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vmm_vm;

/** Statistics of the translator, since the guest was loaded. */
struct vmm_translation {
    uint64_t units;       /**< translation units made */
    uint64_t live;        /**< units that are valid now */
    uint64_t guest_bytes; /**< bytes of the guest's code that were translated */
    uint64_t cache_bytes; /**< bytes that they became; their ratio is the expansion factor */
    uint64_t identical;   /**< instructions translated as they are */
    uint64_t inlined;     /**< sensitive ones that became code */
    uint64_t branches;    /**< direct branches */
    uint64_t indirect;    /**< indirect branches, returns among them */
    uint64_t call_outs;   /**< instructions that are left to the VMM */
    uint64_t called_out;  /**< how often one was executed */
    uint64_t chains;      /**< direct branches that lead to another unit without the VMM */
    uint64_t lookups;     /**< searches for a unit by the VMM */
    uint64_t hits;        /**< and how many found one */
    uint64_t misses;      /**< indirect branches that did not find their unit by themselves */
    uint64_t killed;      /**< units lost because their code was written, or is mapped no longer */
    uint64_t flushes;     /**< of the whole cache */
    uint64_t bans;        /**< pages whose code was interpreted for a while, written too often */
    uint32_t cache_used;  /**< bytes of the cache in use */
    uint32_t cache_size;  /**< bytes of the cache */
};

/** Copies the statistics. False if the VM's technique does not translate. */
bool vmm_translation(const struct vmm_vm *vm, struct vmm_translation *translation);

/** How one instruction of the guest was translated. */
enum vmm_treatment {
    VMM_TREATED_IDENTICAL, /**< as it is */
    VMM_TREATED_INLINE,    /**< by other instructions that do the same to the virtual processor */
    VMM_TREATED_BRANCH,    /**< a direct branch */
    VMM_TREATED_INDIRECT,  /**< an indirect branch or a return */
    VMM_TREATED_CALL_OUT   /**< left to the VMM */
};

/** One instruction of a unit, and its translation. */
struct vmm_translated {
    uint32_t linear;              /**< of the guest's instruction */
    uint32_t length;              /**< its bytes */
    uint32_t cache;               /**< linear address of the first byte of its translation */
    uint32_t cache_length;        /**< bytes of the translation */
    uint8_t bytes[64];            /**< the translation, as far as it fits */
    enum vmm_treatment treatment; /**< how it was translated */
    bool branches;                /**< a direct branch to `target` is in it */
    bool chained;                 /**< and leads to that unit directly */
    uint32_t target;              /**< of the guest */
};

/** Calls `take` with each instruction of the unit that begins at the guest's linear address
 * `linear`, in order, until it returns false. Returns false if there is no such unit. */
bool vmm_translated(const struct vmm_vm *vm, uint32_t linear,
                    bool (*take)(void *context, const struct vmm_translated *translated),
                    void *context);

/** A translation unit. */
struct vmm_unit {
    uint32_t linear;  /**< of the guest's code */
    uint32_t length;  /**< bytes of it */
    uint32_t cache;   /**< linear address in the code cache */
    uint32_t size;    /**< bytes there */
    bool live;        /**< it may still be entered */
    bool landing;     /**< indirect branches find it */
    unsigned exits;   /**< direct branches out of it */
    unsigned chained; /**< and how many of them are chained */
};

/** Copies the unit number `i`, in the order in which they were made since the cache was emptied.
 * False beyond the last. */
bool vmm_unit(const struct vmm_vm *vm, size_t i, struct vmm_unit *unit);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
