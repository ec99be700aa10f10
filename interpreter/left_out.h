/* A library without some of its routines: `make LEAVE_OUT=interpreter/routines/port.c` leaves the
 * file out and defines WITHOUT_port, and the slots of its routines are empty. Weak
 * symbols would not do: a weak reference takes nothing out of a static library, so that the
 * routines which are there would be missing, too. For the table in interpreter.c only. */
#ifndef VMM_INTERPRETER_LEFT_OUT_H
#define VMM_INTERPRETER_LEFT_OUT_H

#ifdef WITHOUT_interrupts
#define routine_cli NULL
#define routine_sti NULL
#define routine_hlt NULL
#endif

#ifdef WITHOUT_flags
#define routine_pushf NULL
#define routine_popf  NULL
#define routine_iret  NULL
#define routine_int   NULL
#define routine_int3  NULL
#define routine_into  NULL
#define routine_icebp NULL
#endif

#ifdef WITHOUT_control
#define routine_mov_from_cr NULL
#define routine_mov_to_cr   NULL
#define routine_lmsw        NULL
#define routine_smsw        NULL
#define routine_clts        NULL
#define routine_mov_from_dr NULL
#define routine_mov_to_dr   NULL
#define routine_invlpg      NULL
#endif

#ifdef WITHOUT_tables
#define routine_lgdt NULL
#define routine_lidt NULL
#define routine_sgdt NULL
#define routine_sidt NULL
#endif

#ifdef WITHOUT_system
#define routine_lldt  NULL
#define routine_ltr   NULL
#define routine_sldt  NULL
#define routine_str   NULL
#define routine_cache NULL
#define routine_pause NULL
#endif

#ifdef WITHOUT_descriptor
#define routine_mov_from_sreg    NULL
#define routine_mov_to_sreg      NULL
#define routine_push_sreg        NULL
#define routine_pop_sreg         NULL
#define routine_load_far_pointer NULL
#define routine_lar_lsl          NULL
#define routine_verify           NULL
#define routine_arpl             NULL
#define routine_far_direct       NULL
#define routine_far_indirect     NULL
#define routine_far_return       NULL
#endif

#ifdef WITHOUT_port
#define routine_port        NULL
#define routine_port_string NULL
#endif

#ifdef WITHOUT_msr
#define routine_rdmsr NULL
#define routine_wrmsr NULL
#define routine_rdtsc NULL
#define routine_cpuid NULL
#endif

#endif
