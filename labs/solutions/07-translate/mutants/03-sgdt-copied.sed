# fails: SGDT, SIDT, SLDT, STR and SMSW
# mistake: SGDT is copied
s/^    case VMM_CODE_ARPL:/    case VMM_CODE_SGDT:\n&/
