/** @file
 * A binary translator of one's own, for the slot "interpreter.translator" of a VM whose technique
 * translates (bt). The module reads the guest's code and says what each instruction is to become;
 * the bytes are the library's. It links the units that are made so, and says which of them die when
 * the guest writes to its code (Adams and Agesen, ASPLOS 2006, section 3; DynamoRIO's dispatch,
 * link and unlink). What no code cache can hold, such as a copy of a branch, stops the guest; what
 * is merely wrong, it finds out. */
#ifndef VMM_TRANSLATOR_H
#define VMM_TRANSLATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/error.h"
#include "vmm/translate.h"

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct vmm_vm;

enum {
    VMM_UNIT_OPS = 32,   /**< instructions of the guest that a unit may have */
    VMM_RET_MOST = 100,  /**< bytes that VMM_OP_RET may release */
    VMM_EXITS = 1 << 16, /**< exits are numbered from 0 to one less */
};

/** The instructions that the decoder tells apart; the names are the manual's. */
enum vmm_code_kind {
    VMM_CODE_OTHER, /**< arithmetic, moves, stack, strings, floating point: nothing but general
                         registers, arithmetic flags and memory */
    VMM_CODE_INVALID,
    VMM_CODE_CLI,
    VMM_CODE_STI,
    VMM_CODE_PUSHF,
    VMM_CODE_POPF,
    VMM_CODE_IRET,
    VMM_CODE_INT,
    VMM_CODE_INT3,
    VMM_CODE_INTO,
    VMM_CODE_ICEBP,
    VMM_CODE_HLT,
    VMM_CODE_UD,
    VMM_CODE_IN_IMMEDIATE,
    VMM_CODE_OUT_IMMEDIATE,
    VMM_CODE_IN_DX,
    VMM_CODE_OUT_DX,
    VMM_CODE_INS,
    VMM_CODE_OUTS,
    VMM_CODE_LGDT,
    VMM_CODE_LIDT,
    VMM_CODE_SGDT,
    VMM_CODE_SIDT,
    VMM_CODE_LLDT,
    VMM_CODE_LTR,
    VMM_CODE_SLDT,
    VMM_CODE_STR,
    VMM_CODE_LMSW,
    VMM_CODE_SMSW,
    VMM_CODE_CLTS,
    VMM_CODE_MOV_FROM_CR, /**< control register `reg`, general register `rm` */
    VMM_CODE_MOV_TO_CR,
    VMM_CODE_MOV_FROM_DR,
    VMM_CODE_MOV_TO_DR,
    VMM_CODE_INVLPG,
    VMM_CODE_INVD,
    VMM_CODE_WBINVD,
    VMM_CODE_RDMSR,
    VMM_CODE_WRMSR,
    VMM_CODE_RDTSC,
    VMM_CODE_RDTSCP,
    VMM_CODE_RDPMC,
    VMM_CODE_CPUID,
    VMM_CODE_XGETBV,
    VMM_CODE_XSETBV,
    VMM_CODE_MONITOR,
    VMM_CODE_MWAIT,
    VMM_CODE_PAUSE,
    VMM_CODE_LAR,
    VMM_CODE_LSL,
    VMM_CODE_VERR,
    VMM_CODE_VERW,
    VMM_CODE_ARPL,
    VMM_CODE_MOV_FROM_SREG, /**< MOV r/m, Sreg: segment register `sreg` */
    VMM_CODE_MOV_TO_SREG,
    VMM_CODE_PUSH_SREG,
    VMM_CODE_POP_SREG,
    VMM_CODE_LOAD_FAR_POINTER, /**< LDS, LES, LFS, LGS, LSS: into `sreg` */
    VMM_CODE_CALL_FAR,
    VMM_CODE_CALL_FAR_INDIRECT,
    VMM_CODE_JMP_FAR,
    VMM_CODE_JMP_FAR_INDIRECT,
    VMM_CODE_RET_FAR,
    VMM_CODE_SYSENTER,
    VMM_CODE_SYSEXIT,
    VMM_CODE_SYSCALL,
    VMM_CODE_SYSRET,
    VMM_CODE_RSM,
    VMM_CODE_VMCALL,
    VMM_CODE_VMMCALL,
    VMM_CODE_VMX,
    VMM_CODE_SVM,
    VMM_CODE_JMP, /**< near; `immediate` is the displacement from the next instruction */
    VMM_CODE_JCC,
    VMM_CODE_LOOP, /**< LOOP, LOOPE, LOOPNE, JECXZ */
    VMM_CODE_CALL,
    VMM_CODE_JMP_INDIRECT,
    VMM_CODE_CALL_INDIRECT,
    VMM_CODE_RET,       /**< near; `immediate` more bytes are released */
    VMM_CODE_UNREADABLE /**< it is not mapped, or not in the unit's pages: `length` is 0 */
};

/** An instruction of the guest's code. */
struct vmm_code_instruction {
    enum vmm_code_kind kind;
    uint32_t address;     /**< linear, which EIP is: segments are flat */
    uint8_t bytes[15];    /**< as fetched */
    uint8_t length;       /**< bytes, prefixes included */
    uint8_t operand_size; /**< 2 or 4 bytes */
    uint8_t reg;          /**< reg field of the ModR/M byte; 0 without one */
    uint8_t rm;           /**< its r/m field: a general register, unless `memory` */
    uint8_t sreg;         /**< a segment register: 0 to 5 are ES, CS, SS, DS, FS, GS */
    bool memory;          /**< the operand is in memory */
    uint32_t immediate;   /**< sign-extended where the instruction does so; 0 without one */
};

/** Of the library: what it needs to read code. */
struct vmm_code_inside;

/** Code that is about to be executed for the first time, in ring 0 and flat 32-bit segments. Good
 * until the module returns. */
struct vmm_code {
    uint32_t address;               /**< of the first instruction */
    struct vmm_code_inside *inside; /**< the library's */
};

/** Reads the instruction at linear address `address`, which is not before the unit's first and not
 * more than VMM_UNIT_OPS instructions behind it. */
void vmm_code_at(const struct vmm_code *code, uint32_t address,
                 struct vmm_code_instruction *instruction);

/** What an instruction of the guest becomes. */
enum vmm_op_kind {
    VMM_OP_COPY,          /**< itself, executed at ring 1 with IOPL 1 under shadow tables */
    VMM_OP_CALL_OUT,      /**< the VMM interprets it. *Nothing falls through.* */
    VMM_OP_NOTHING,       /**< nothing; it retires */
    VMM_OP_PUSH_FLAGS,    /**< the virtual EFLAGS are pushed, 4 bytes */
    VMM_OP_POP_FLAGS,     /**< and popped */
    VMM_OP_READ,          /**< general register `gpr` gets word `word` */
    VMM_OP_PUSH,          /**< word `word` is pushed, 4 bytes */
    VMM_OP_JUMP,          /**< goes on at `target`. *Nothing falls through.* */
    VMM_OP_BRANCH,        /**< a Jcc's or LOOP's own condition: goes on at `target` or behind it */
    VMM_OP_CALL,          /**< `value` is pushed, goes on at `target`. *Nothing falls through.* */
    VMM_OP_JUMP_INDIRECT, /**< goes on where its operand says. *Nothing falls through.* */
    VMM_OP_CALL_INDIRECT, /**< the same, and `value` is pushed. *Nothing falls through.* */
    VMM_OP_RET /**< pops where it goes on, then `value` bytes. *Nothing falls through.* */
};

/** Words of the virtual processor that VMM_OP_READ and _PUSH know: 0, 2, 3 and 4 are CR0 to CR4,
 * and from here on the selectors of ES, CS, SS, DS, FS, GS. */
enum { VMM_WORD_SELECTOR = 8 };

/** One instruction of the guest, translated. */
struct vmm_op {
    enum vmm_op_kind kind;
    uint8_t length;  /**< bytes of the guest's instruction */
    uint8_t gpr;     /**< a general register, 0 to 7: EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI */
    uint8_t word;    /**< a word of the virtual processor */
    uint32_t target; /**< address in the guest */
    uint32_t value;  /**< what is pushed; RET: bytes released, at most VMM_RET_MOST */
};

/** A translation unit: the instructions from `code->address` on, without a gap, and all of them
 * begin in one page. If the last falls through, the unit goes on behind it, as if by a JUMP. */
struct vmm_draft {
    unsigned count; /**< 1 to VMM_UNIT_OPS */
    struct vmm_op op[VMM_UNIT_OPS];
};

/** What came of it. */
enum vmm_translate_end {
    VMM_TRANSLATED,         /**< the draft is made */
    VMM_TRANSLATE_STANDARD, /**< the library is to make it */
    VMM_TRANSLATE_MISSING   /**< as if the slot were empty: stop */
};

/** Makes a draft of `code`. `context` is what it was registered with. */
typedef enum vmm_translate_end vmm_translate(void *context, const struct vmm_code *code,
                                             struct vmm_draft *draft);

/** An exit of a unit (VMM_OP_JUMP, _BRANCH, _CALL, or the end of a unit that goes on) has been
 * taken, and leads to a unit. */
struct vmm_exit {
    uint32_t exit;   /**< its number */
    uint32_t from;   /**< the unit that it is of */
    uint32_t target; /**< where it goes, an address in the guest */
    uint32_t to;     /**< the unit of that address */
};

/** Whether the exit leads there directly from now on, until it is cut; otherwise the VMM is asked
 * to find the unit whenever it is taken. */
typedef bool vmm_link(void *context, const struct vmm_exit *exit);

/** Of the library: exits that may be cut. */
struct vmm_exits;

/** The unit number `unit` dies; nobody asks for it any more. Exits that lead to it have to be cut,
 * or the guest goes on executing what is no longer its code. */
typedef void vmm_unlink(void *context, uint32_t unit, struct vmm_exits *exits);

/** From now on the VMM is asked when the exit number `exit` is taken. */
void vmm_exits_cut(struct vmm_exits *exits, uint32_t exit);

/** The guest has changed something in the `count` bytes at linear address `address`, in a page that
 * `unit` has code of: whether the unit dies. It is asked for each word, so that `count` is 4 and
 * `address` a multiple of it. */
typedef bool vmm_stale(void *context, const struct vmm_unit *unit, uint32_t address,
                       uint32_t count);

/** All units and exits are gone; numbers start again. Called before anything else, too. */
typedef void vmm_flushed(void *context);

/** A translator. */
struct vmm_translator {
    vmm_translate *translate; /**< needed */
    vmm_link *link;           /**< NULL: no exit is ever linked */
    vmm_unlink *unlink;       /**< NULL: none is cut */
    vmm_stale *stale;         /**< NULL: a write to a page kills all units of it */
    vmm_flushed *flushed;     /**< NULL: nobody wants to know */
};

/** Puts `translator`, which is copied, into the slot "interpreter.translator". All units are
 * dropped. Returns as vmm_module_replace. */
int vmm_module_replace_translator(struct vmm_vm *vm, const struct vmm_translator *translator,
                                  void *context, struct vmm_error *error);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
