# fails: LAR, LSL, VERR and VERW
# mistake: LAR is copied
s/^    case VMM_CODE_ARPL:/    case VMM_CODE_LAR:\n&/
