# fails: LOOP and JECXZ
# mistake: LOOP is copied
s/^    case VMM_CODE_LOOP:$/        return transfer(op, insn);\n    case VMM_CODE_LOOP: return VMM_OP_COPY;/
