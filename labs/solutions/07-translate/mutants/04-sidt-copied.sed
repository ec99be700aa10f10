# fails: SGDT, SIDT, SLDT, STR and SMSW
# mistake: SIDT is copied
s/^    case VMM_CODE_ARPL:/    case VMM_CODE_SIDT:\n&/
