# fails: PUSHF
# mistake: PUSHF is copied
s/case VMM_CODE_PUSHF: return wide .*/case VMM_CODE_PUSHF: return VMM_OP_COPY;/
