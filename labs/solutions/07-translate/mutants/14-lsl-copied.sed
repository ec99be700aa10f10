# fails: LAR, LSL, VERR and VERW
# mistake: LSL is copied
s/^    case VMM_CODE_ARPL:/    case VMM_CODE_LSL:\n&/
