# fails: POPF
# mistake: POPF is copied
s/case VMM_CODE_POPF: return wide .*/case VMM_CODE_POPF: return VMM_OP_COPY;/
