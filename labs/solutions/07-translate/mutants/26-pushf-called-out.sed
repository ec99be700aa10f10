# fails: PUSHF
# mistake: PUSHF is left to the VMM
s/case VMM_CODE_PUSHF: return wide .*/case VMM_CODE_PUSHF: return VMM_OP_CALL_OUT;/
