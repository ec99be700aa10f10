# fails: jumps and calls through registers and memory
# mistake: an indirect CALL is taken for a JMP
s/case VMM_CODE_CALL_INDIRECT: return VMM_OP_CALL_INDIRECT;/case VMM_CODE_CALL_INDIRECT: return VMM_OP_JUMP_INDIRECT;/
