# step: the flags
# passes: PUSHF
# passes: POPF
# passes: CLI and STI
# expect: EAX is 0x9, expected 0x8
s/\.flushed = flushed};/};/
/\.unlink = unlink_unit,/d
/\.link = link_exit,/d
/\.stale = stale,/d
s/case VMM_CODE_MOV_FROM_SREG: return read_selector(op, insn);/case VMM_CODE_MOV_FROM_SREG: return VMM_OP_COPY;/
s/case VMM_CODE_PUSH_SREG: return push_selector(op, insn);/case VMM_CODE_PUSH_SREG: return VMM_OP_COPY;/
s/case VMM_CODE_MOV_FROM_CR: return read_control(op, insn);/case VMM_CODE_MOV_FROM_CR: return VMM_OP_CALL_OUT;/
s/case VMM_CODE_PAUSE: return VMM_OP_NOTHING;/case VMM_CODE_PAUSE: return VMM_OP_CALL_OUT;/
