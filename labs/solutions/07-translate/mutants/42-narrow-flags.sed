# fails: operands of 16 bits
# mistake: PUSHF of 16 bits pushes 32
s/case VMM_CODE_PUSHF: return wide ? VMM_OP_PUSH_FLAGS : VMM_OP_CALL_OUT;/case VMM_CODE_PUSHF: return VMM_OP_PUSH_FLAGS;/
