# fails: far transfers, INT and IRET
# mistake: IRET is copied
s/^    case VMM_CODE_ARPL:/    case VMM_CODE_IRET:\n&/
