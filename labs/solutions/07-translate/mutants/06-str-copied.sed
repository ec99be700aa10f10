# fails: SGDT, SIDT, SLDT, STR and SMSW
# mistake: STR is copied
s/^    case VMM_CODE_ARPL:/    case VMM_CODE_STR:\n&/
