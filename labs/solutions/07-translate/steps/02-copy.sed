# step: copies
# expect: Module interpreter.translator misbehaved: it went on at 0x..., in another page than the unit's first instruction
# passes: instructions that are copied
# passes: a long way without a branch
s/\.flushed = flushed};/};/
/\.unlink = unlink_unit,/d
/\.link = link_exit,/d
/\.stale = stale,/d
s/case VMM_CODE_MOV_FROM_SREG: return read_selector(op, insn);/case VMM_CODE_MOV_FROM_SREG: return VMM_OP_COPY;/
s/case VMM_CODE_PUSH_SREG: return push_selector(op, insn);/case VMM_CODE_PUSH_SREG: return VMM_OP_COPY;/
s/case VMM_CODE_MOV_FROM_CR: return read_control(op, insn);/case VMM_CODE_MOV_FROM_CR: return VMM_OP_CALL_OUT;/
s/case VMM_CODE_PAUSE: return VMM_OP_NOTHING;/case VMM_CODE_PAUSE: return VMM_OP_CALL_OUT;/
s/case VMM_CODE_PUSHF: return wide .*/case VMM_CODE_PUSHF:/
s/case VMM_CODE_POPF: return wide .*/case VMM_CODE_POPF: return wide ? VMM_OP_COPY : VMM_OP_COPY;/
s/^    case VMM_CODE_OTHER:$/    case VMM_CODE_OTHER: return wide ? VMM_OP_COPY : VMM_OP_COPY;/
/^    case VMM_CODE_\(CLI\|STI\|ARPL\|RDTSC\|PAUSE\|PUSHF\|POPF\|MOV_FROM_CR\|MOV_FROM_SREG\|PUSH_SREG\|MOV_TO_SREG\|POP_SREG\|LOAD_FAR_POINTER\):/d
/^    case VMM_CODE_\(CALL\|JMP_INDIRECT\|CALL_INDIRECT\):$/d
s/^    case VMM_CODE_RET: return transfer/    case VMM_CODE_CALL: return transfer/
/^    case VMM_CODE_\(JMP\|JCC\|LOOP\):$/d
/^    case VMM_CODE_CALL: return transfer/d
s/ \&\& at \/ PAGE == code->address \/ PAGE);/);/
